"""Publishes what changed of leads for which nothing else follows: no move of stage, no open matter.

Most messages end here. It writes what the rules would (`outbox.assessed`), to the byte: which way a lead goes depends on
what else was in the round.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from schemas.topics import ASSESSMENTS
from streams.assess import STAGES, Judge, assessment, change, measures
from streams.features import FeatureTable, Floats, Ints
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


def publish(table: FeatureTable, looked: Looked, tally: Counter[tuple[str, ...]]) -> list[tuple[int, Out]]:
    """Assessments worth publishing, with the position in `looked` each belongs to. A lead may be there several times."""
    news = _news(table, looked)
    if not news:
        return []
    told = [one.position for one in news]
    rows, p = looked.rows[told], looked.p[told]
    stages = table.rows["stage"][rows].tolist()
    columns = zip(
        news,
        rows.tolist(),
        table.rows["born"][rows].tolist(),
        looked.times[told].tolist(),
        p.tolist(),
        looked.limits.at(told).level(p).tolist(),
        stages,
        measures(looked.x[told], p).tolist(),
        strict=True,
    )
    outputs = []
    for (i, seq, changed), row, born, now, risk, level, stage, measured in columns:
        key = table.keys[row] or b""
        tenant, lead = key.decode().split(":", 1)
        value = assessment(
            *(tenant, lead, born, seq, now, looked.causes[i], risk, changed, level, stage, stage),
            measured,
            looked.judges[i],
        )
        outputs.append((i, Out(ASSESSMENTS.name, key, value)))
    for stage, n in Counter(stages).items():
        tally["assessed", STAGES[stage]] += n
    return outputs


class News(NamedTuple):
    """A risk that is worth publishing: where in `Looked`, the number of the lead's assessment, the change."""

    position: int
    seq: int
    changed: float


def _news(table: FeatureTable, looked: Looked) -> list[News]:
    """What is worth publishing, each against what was published before it; the table knows afterwards."""
    state, rows = table.rows, looked.rows
    columns = zip(
        rows.tolist(),
        state["seq"][rows].tolist(),
        state["published"][rows].tolist(),
        looked.p.tolist(),
        looked.p.astype(np.float32).tolist(),  # as the table will have it
        looked.limits.least_change.tolist(),
        strict=True,
    )
    last: dict[int, tuple[int, float]] = {}  # by row: number and risk of the newest assessment
    news = []
    for i, (row, seq, before, risk, kept, least) in enumerate(columns):
        seq, before = last.get(row) or (seq, before)  # noqa: PLW2901 - of a lead's earlier message, if there was one
        if not seq or abs(risk - before) >= least:
            news.append(News(i, seq + 1, change(risk, before, seq)))
            last[row] = seq + 1, kept
    if last:
        changed = np.fromiter(last, np.int64, len(last))
        state["seq"][changed], state["published"][changed] = zip(*last.values(), strict=True)
    return news
