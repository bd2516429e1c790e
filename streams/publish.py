"""Publishes what changed of leads for which nothing else follows: no move of stage, no open matter.

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
    """Leads looked at, in order: row, why, when (stream time), risk, `assess.measures`, limits, who judged it."""

    rows: Ints
    causes: Sequence[str]
    times: Floats
    p: Floats
    measured: Sequence[Sequence[float]]
    limits: Limits
    judges: Sequence[Judge]


def publish(table: FeatureTable, looked: Looked, tally: Counter[tuple[str, ...]]) -> list[tuple[int, Out]]:
    """Assessments worth publishing, with the position in `looked` each belongs to. A lead may be there several times."""
    state, rows = table.rows, looked.rows
    told: dict[int, tuple[int, float]] = {}  # by row: how many assessments by now, and what the last one said
    outputs: list[tuple[int, Out]] = []
    columns = zip(
        rows.tolist(),
        state["seq"][rows].tolist(),
        state["published"][rows].tolist(),
        state["born"][rows].tolist(),
        stages := state["stage"][rows].tolist(),
        looked.causes,
        looked.times.tolist(),
        looked.p.tolist(),
        looked.p.astype(np.float32).tolist(),  # as the table will have it
        looked.limits.least_change.tolist(),
        looked.limits.level(looked.p).tolist(),
        looked.measured,
        looked.judges,
        strict=True,
    )
    for i, (row, seq, before, born, stage, cause, now, risk, kept, least, level, measured, judge) in enumerate(columns):
        seq, before = told.get(row) or (seq, before)  # noqa: PLW2901 - of a lead's earlier message, if there was one
        if seq and abs(risk - before) < least:
            continue
        told[row] = seq + 1, kept
        key = table.keys[row] or b""
        tenant, lead = key.decode().split(":", 1)
        changed = change(risk, before, seq)
        value = assessment(
            *(tenant, lead, born, seq + 1, now, cause, risk, changed, level, stage, stage), measured, judge
        )
        outputs.append((i, Out(ASSESSMENTS.name, key, value)))
    if told:
        changed_rows = np.fromiter(told, np.int64, len(told))
        state["seq"][changed_rows], state["published"][changed_rows] = zip(*told.values(), strict=True)
        for stage, n in Counter(stages[i] for i, _ in outputs).items():
            tally["assessed", STAGES[stage]] += n
    return outputs
