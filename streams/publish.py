"""Publishes what changed of leads for which nothing else follows: no move of stage, no open matter. In columns.

Most messages end here. It writes what the rules would (`outbox.assessed`), to the byte: which way a lead goes depends on
what else was in the round.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from schemas.topics import ASSESSMENTS
from streams.assess import STAGES, Judge, assessment, change
from streams.features import FeatureTable, Floats, Ints
from streams.limits import Limits
from streams.partition import Out


class Looked(NamedTuple):
    """Leads looked at, each once: its row, why, when (stream time), risk, `assess.measures`, limits, who judged it."""

    rows: Ints
    causes: Sequence[str]
    times: Floats
    p: Floats
    measured: Sequence[Sequence[float]]
    limits: Limits
    judges: Sequence[Judge]


def publish(table: FeatureTable, looked: Looked, tally: Counter[tuple[str, ...]]) -> list[tuple[int, Out]]:
    """Assessments worth publishing, with the position in `looked` each belongs to."""
    state, rows, p = table.rows, looked.rows, looked.p
    seqs, published = state["seq"][rows], state["published"][rows].astype(np.float64)
    worth = np.flatnonzero((seqs == 0) | (np.abs(p - published) >= looked.limits.least_change))
    if not len(worth):
        return []
    rows, told = rows[worth], p[worth]
    state["seq"][rows], state["published"][rows] = seqs[worth] + 1, told
    stages = state["stage"][rows]
    for stage, n in enumerate(np.bincount(stages).tolist()):
        if n:
            tally["assessed", STAGES[stage]] += n
    positions = worth.tolist()
    columns = zip(
        positions,
        rows.tolist(),
        state["born"][rows].tolist(),
        (seqs[worth] + 1).tolist(),
        looked.times[worth].tolist(),
        told.tolist(),
        change(told, published[worth], seqs[worth]).tolist(),
        looked.limits.at(worth).level(told).tolist(),
        stages.tolist(),
        strict=True,
    )
    outputs = []
    for i, row, born, seq, now, risk, changed, level, stage in columns:
        key = table.keys[row] or b""
        tenant, lead = key.decode().split(":", 1)
        value = assessment(
            *(tenant, lead, born, seq, now, looked.causes[i], risk, changed, level, stage, stage),
            looked.measured[i],
            looked.judges[i],
        )
        outputs.append((i, Out(ASSESSMENTS.name, key, value)))
    return outputs
