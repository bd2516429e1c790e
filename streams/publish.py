"""Publishes what changed of leads for which nothing else follows: no move of stage, no open matter.

Most messages end here. It writes what the rules would (`outbox.assessed`), to the byte: which way a lead goes depends on
what else was in the round.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from schemas.topics import ASSESSMENTS
from streams.assess import STAGES, Judge, assessment, changes, measures
from streams.features import FeatureTable, Floats, Ints, lead_of, waves
from streams.limits import Limits
from streams.partition import Out


class Looked(NamedTuple):
    """Leads looked at, in order: row, why, when (stream time), vector, risk, limits, who judged it."""

    rows: Ints
    causes: Sequence[str]
    times: Floats
    x: Floats
    p: Floats
    limits: Limits
    judges: Sequence[Judge]


class News(NamedTuple):
    """Risks that are worth publishing: where in `Looked`, the number of the lead's assessment, the change."""

    positions: Ints
    seqs: Ints
    changes: Floats


def publish(table: FeatureTable, looked: Looked, tally: Counter[tuple[str, ...]]) -> list[tuple[int, Out]]:
    """Assessments worth publishing, with the position in `looked` each belongs to. A lead may be there several times."""
    news = _news(table, looked)
    told = news.positions
    if not len(told):
        return []
    rows, p = looked.rows[told], looked.p[told]
    stages = table.rows["stage"][rows].tolist()
    columns = zip(
        told.tolist(),
        rows.tolist(),
        table.rows["born"][rows].tolist(),
        news.seqs.tolist(),
        looked.times[told].tolist(),
        p.tolist(),
        news.changes.tolist(),
        looked.limits.at(told).level(p).tolist(),
        stages,
        measures(looked.x[told], p).tolist(),
        strict=True,
    )
    keys, causes, judges, topic = table.keys, looked.causes, looked.judges, ASSESSMENTS.name
    outputs = []
    for i, row, born, seq, now, risk, changed, level, stage, measured in columns:
        key = keys[row] or b""
        told_by, judge = causes[i], judges[i]
        value = assessment(*lead_of(key), born, seq, now, told_by, risk, changed, level, stage, stage, measured, judge)
        outputs.append((i, Out(topic, key, value)))
    for stage, n in Counter(stages).items():
        tally["assessed", STAGES[stage]] += n
    return outputs


def _news(table: FeatureTable, looked: Looked) -> News:
    """What is worth publishing, each against what was published before it; the table knows afterwards."""
    state, found = table.rows, []
    for wave in waves(looked.rows):
        rows, p = looked.rows[wave], looked.p[wave]
        seq, before = state["seq"][rows].astype(np.int64), state["published"][rows].astype(np.float64)
        worth = (seq == 0) | (np.abs(p - before) >= looked.limits.least_change[wave])
        state["seq"][rows[worth]], state["published"][rows[worth]] = seq[worth] + 1, p[worth]
        found.append(np.stack([wave[worth], seq[worth] + 1, changes(p, before, seq)[worth]]))
    told = np.concatenate(found, axis=1) if found else np.zeros((3, 0))
    told = told[:, np.argsort(told[0])]
    return News(told[0].astype(np.int64), told[1].astype(np.int64), told[2])
