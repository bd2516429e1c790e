"""The first two strokes for the messages of several partitions at once: features in columns, one prediction for all.

What numpy and LightGBM cost is mostly per call, so a round of few messages costs as much for eight partitions as for one.
No result depends on what else was folded with it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas import events as e
from streams.env import Env
from streams.features import Batch, Bools, Floats, Ints, Rows, fold_rows, waves
from streams.ids import fingerprint
from streams.limits import Limits
from streams.partition import Partition
from streams.silence import FIRST_LOOK
from streams.vector import NAMES, vectors
from streams.vocabulary import NO_MOOD, Meaning

SAYS_NOTHING = Meaning(family=0, key=False, cents=0, mood=NO_MOOD)
"""Of messages that are no activity: of them only the id is noted, so that a duplicate is recognised."""


Event = tuple[int, float, float, int, e.AboutLead, Meaning | None, int]
"""A valid message about a lead: offset, stream time, its own time, row, body, meaning (of activity only), index of its policy."""


class Columns(NamedTuple):
    """The same for all messages of a stretch, one entry each."""

    offsets: Sequence[int]
    now: Sequence[float]
    at: Sequence[float]
    rows: Sequence[int]
    bodies: Sequence[e.AboutLead]
    meanings: Sequence[Meaning | None]
    policies: Sequence[int]


class Strokes(NamedTuple):
    """What the first two strokes found, per message; no more than `after`, `new` and `prints` where not `active`."""

    rows: Ints
    after: Rows
    new: Bools
    prints: NDArray[np.uint64]
    active: Bools
    now: Floats
    x: Floats
    p: Floats
    felt: Floats


class Part(NamedTuple):
    """One partition's share."""

    partition: Partition
    columns: Columns
    limits: Limits


def first_strokes(parts: Sequence[Part], env: Env) -> list[Strokes]:
    """Fold in waves, keep row and vector after each message, predict all at once."""
    batch = _batch([part.columns for part in parts])
    now = np.concatenate([part.columns.now for part in parts])
    bounds = np.cumsum([0, *(len(part.columns.rows) for part in parts)])
    after, new = np.empty(len(batch), parts[0].partition.table.rows.dtype), np.zeros(len(batch), np.bool_)
    where = batch.rows + np.repeat(np.arange(len(parts)) << 40, np.diff(bounds))  # rows of different tables
    for wave in waves(where):
        shares = list(_shares(parts, batch, bounds, wave))
        held, done = np.empty(len(wave), after.dtype), 0
        for part, rows, _ in shares:
            held[done : (done := done + len(rows))] = part.partition.table.rows[rows]
        folded, new[wave] = fold_rows(held, batch, wave)
        after[wave], done = folded, 0
        for part, rows, _ in shares:
            part.partition.table.rows[rows] = folded[done : (done := done + len(rows))]
    active = batch.counts & new
    x, p = np.zeros((len(batch), len(NAMES))), np.zeros(len(batch))
    some = np.flatnonzero(active)
    if len(some):
        x[some] = vectors(after[some], now[some])
        p[some] = _scores(parts, bounds, some, x[some], env)
        for part, rows, positions in _shares(parts, batch, bounds, some):
            np.minimum.at(part.partition.table.due, rows, now[positions] + FIRST_LOOK)
    found = []
    for part, begin, end in zip(parts, bounds.tolist(), bounds[1:].tolist(), strict=False):
        mine = slice(begin, end)
        found.append(
            Strokes(
                batch.rows[mine],
                after[mine],
                new[mine],
                batch.fingerprints[mine],
                active[mine],
                now[mine],
                x[mine],
                p[mine],
                part.limits.felt(p[mine], x[mine]),
            )
        )
    return found


def _batch(columns: Sequence[Columns]) -> Batch:
    meanings = [meaning for some in columns for meaning in some.meanings]
    families, keys, cents, moods = zip(*[meaning or SAYS_NOTHING for meaning in meanings], strict=True)
    return Batch(
        [row for some in columns for row in some.rows],
        [at for some in columns for at in some.at],
        families,
        keys,
        cents,
        moods,
        [fingerprint(body.id) for some in columns for body in some.bodies],
        [meaning is not None for meaning in meanings],
    )


def _shares(parts: Sequence[Part], batch: Batch, bounds: Ints, positions: Ints) -> Iterator[tuple[Part, Ints, Ints]]:
    """Rising positions by partition: the part, its rows, where in the batch."""
    cuts = np.searchsorted(positions, bounds).tolist()
    for part, low, high in zip(parts, cuts, cuts[1:], strict=False):
        if low < high:
            mine = positions[low:high]
            yield part, batch.rows[mine], mine


def _scores(parts: Sequence[Part], bounds: Ints, positions: Ints, x: Floats, env: Env) -> Floats:
    """One prediction, or one for each partition while they are not all judged by the same model."""
    models = [part.partition.state.model for part in parts]
    if len(set(models)) == 1:
        return env.scorers[models[0]].score(x)
    cuts = np.searchsorted(positions, bounds).tolist()
    shares = zip(models, cuts, cuts[1:], strict=False)
    return np.concatenate([env.scorers[model].score(x[low:high]) for model, low, high in shares if low < high])
