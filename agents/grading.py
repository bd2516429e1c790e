"""Grades versions by what is remembered: what was told on `lead.assessments`, what happened then on `lead.events`."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from agents.manifest import Manifest
from agents.remembered import Remembered
from schemas import topics
from streams.features import DAY
from streams.grade import Grade, Seen, Truth, grade
from streams.labels import Label, churned, eligible, last_signs, lost
from streams.risk import RuleScorer


class Version(NamedTuple):
    """What has to be known of a version to grade it: what it calls going quiet, and how many did when it was trained."""

    label: Label
    base_rate: float | None


RULE_LABEL = Label(horizon_days=RuleScorer.horizon_days, eligible_days=RuleScorer.horizon_days)
"""What the rule scorer is asked where no model says what going quiet is: silence for the days that its risks are about, of
leads that have not been silent for as long already."""


def versions_of(manifests: Iterable[Manifest]) -> dict[str, Version]:
    """By name. The rule scorer was not trained: it is asked the newest model's question, and its own where there is none."""
    known = sorted(manifests, key=lambda one: one.trained.last)
    found = {one.version: Version(one.label.at_any_age, one.base_rate) for one in known}
    asked = known[-1].label.at_any_age if known else RULE_LABEL
    return found | {RuleScorer.version: Version(asked, None)}


def remember(memory: Remembered, topic: topics.Topic, values: Iterable[bytes]) -> None:
    """Note whole topics at once."""
    memory.begin()
    for value in values:
        memory.take(topic.name, value)
    memory.commit({})


def grades(memory: Remembered, versions: Mapping[str, Version]) -> dict[str, Grade]:
    """Grade of each of the versions that told anything and can be graded."""
    return {name: _graded(memory, name, versions[name]) for name in memory.versions() if name in versions}


def _graded(memory: Remembered, name: str, version: Version) -> Grade:
    label, told = version.label, memory.told(name)
    mine = told.times[told.mine]
    truth = truth_of(memory, label, _looks(float(mine[0]), float(mine[-1]), memory.end, label))
    return grade(told, truth, version.base_rate, label)


def _looks(first: float, last: float, end: float, label: Label) -> list[float]:
    """Midnights from the newest whose truth is known back to the version's first day, as far apart as the label says.

    Only while the version told anything: what stood later was another's.
    """
    step = max(1, round(label.every_days))
    newest = min((end - label.reach) // DAY, last // DAY + 1)
    oldest = first // DAY + step
    return [day * DAY for day in np.arange(newest, oldest - 1, -step)[::-1].tolist()]


def looks_of(memory: Remembered, version: str, label: Label) -> list[float]:
    """Looks at which a challenger's shadow stood, and whose truth is known, rising."""
    times = memory.shadowed(version).times
    return _looks(float(times[0]), float(times[-1]), memory.end, label) if len(times) else []


def truth_of(memory: Remembered, label: Label, looks: list[float]) -> Truth:
    """What happened after these looks."""
    leads, life, closed, sent = memory.leads(), memory.life(), memory.closed(), memory.sent()
    n = len(leads.tenants)
    ends = life if label.churn == "silence" else memory.closings(label.closed_as)
    seen = []
    for t in looks:
        alive = np.flatnonzero(eligible(n, life, closed, t, label))
        seen.append(Seen(t, alive, churned(n, life, ends, t, label)[alive]))
    losses = (
        lost(life, memory.end, label.horizon_days * DAY) if label.churn == "silence" else (ends, last_signs(life, ends))
    )
    first = np.full(n, np.inf)
    first[life.leads[::-1]] = life.times[::-1]
    reached = sent.leads[sent.within(looks[0], looks[-1] + label.reach)] if looks else np.zeros(0, np.int64)
    untouched = leads.held_out.astype(np.bool_)
    untouched[reached] = False  # held out as policies say now, and contacted as one said then
    traits = {"tenant": leads.tenants, "region": leads.regions}
    return Truth(seen, *losses, first, traits, untouched if len(reached) else None)
