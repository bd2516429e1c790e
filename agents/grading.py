"""Grades every version by the log itself: what was told on `lead.assessments`, what happened then on `lead.events`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from agents.evaluation import losses
from agents.inbox_log import usable
from agents.sentiment import reader_of
from agents.snapshots import ActivityLog, Logged
from streams.features import DAY
from streams.grade import Grade, Seen, Told, grade
from streams.labels import Label
from streams.policy import Policy
from streams.stage import ORDER

_STAGE = {str(stage): i for i, stage in enumerate(ORDER)}


class Version(NamedTuple):
    """What has to be known of a version to grade it: what it calls going quiet, and how many did when it was trained."""

    label: Label
    base_rate: float


class Heard(msgspec.Struct):
    """What is read of an assessment."""

    tenant: str
    lead: str
    at: str
    probability: float
    stage: str
    model_version: str


_decode = msgspec.json.Decoder(Heard).decode


def grades(
    events: Iterable[Logged], assessments: Iterable[bytes], versions: Mapping[str, Version], policy: Policy
) -> dict[str, Grade]:
    """Grade of each of the versions that told anything.

    Args:
        events: messages of `lead.events`, as they came.
        assessments: messages of `lead.assessments`, any order.
        versions: those that can be graded; others are left out.
        policy: what custom kinds mean.
    """
    log = ActivityLog.read(usable(events), policy, read_mood=reader_of(policy.language))
    number = {key: i for i, key in enumerate(log.keys)}
    told: dict[str, list[tuple[float, int, float, int]]] = defaultdict(list)
    for value in assessments:
        one = _decode(value)
        lead = number.get(f"{one.tenant}:{one.lead}".encode())
        if lead is not None and one.model_version in versions:
            at = np.datetime64(one.at.removesuffix("Z").removesuffix("+00:00"), "us").astype(np.int64) / 1e6
            told[one.model_version].append((float(at), lead, one.probability, _STAGE[one.stage]))
    return {name: _graded(log, sorted(rows), versions[name]) for name, rows in sorted(told.items())}


def _graded(log: ActivityLog, rows: list[tuple[float, int, float, int]], version: Version) -> Grade:
    label = version.label
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    told = Told(columns[1].astype(np.int64), columns[0], columns[2], columns[3].astype(np.int64))
    step = label.every_days * DAY
    looks = np.arange(told.times[0] + step, min(told.times[-1] + step, log.last_judged(label)), step).tolist()
    seen = []
    for t in looks:
        leads = np.flatnonzero(log.eligible(t, label))
        seen.append(Seen(t, leads, log.churned(t, label)[leads]))
    return grade(told, seen, len(log.keys), version.base_rate, *losses(log, label), label)
