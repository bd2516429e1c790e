"""The first two strokes for the messages of several partitions at once: features in columns, one prediction for all.

What numpy and LightGBM cost is mostly per call, so a round of few messages costs as much for eight partitions as for one.
No result depends on what else was folded with it.
"""

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np

from streams.env import Env
from streams.features import ROW, Batch, Bools, Floats, Ints, Rows, fold_rows, raw, waves
from streams.ids import fingerprint
from streams.limits import Limits
from streams.partition import Partition
from streams.rollout import score_each
from streams.silence import FIRST_LOOK
from streams.vector import vectors
from streams.vocabulary import NO_MOOD, Meaning

SAYS_NOTHING = Meaning(family=0, key=False, cents=0, mood=NO_MOOD)
"""Of messages that are no activity: of them only the id is noted, so that a duplicate is recognised."""


class Columns(NamedTuple):
    """Valid messages about leads, in order, one entry each in every column.

    Their bodies are not kept, but read again where the rules ask for one, which is seldom: a body takes a kilobyte, and
    what does not fit into the processor's cache costs more than reading twice.

    Attributes:
        offsets: In the inbox.
        now: Stream time when the message came.
        at: Its own time.
        rows: Of their leads.
        ids: Of the messages.
        types: Of the messages.
        meanings: Of activity; None for anything else.
        asks: Whether the rules are asked whatever the first strokes find: always, for some leads, or not (`wants`).
        policies: Index of the policy that holds.
        values: As they came.
    """

    offsets: list[int]
    now: list[float]
    at: list[float]
    rows: list[int]
    ids: list[str]
    types: list[str]
    meanings: list[Meaning | None]
    asks: list[int]
    policies: list[int]
    values: list[bytes]

    @classmethod
    def empty(cls) -> "Columns":
        """No messages yet."""
        return cls([], [], [], [], [], [], [], [], [], [])

    def where(self, wanted: Sequence[bool]) -> "Columns":
        """Some of them."""
        return type(self)._make(list(compress(column, wanted)) for column in self)


class Strokes(NamedTuple):
    """What the first two strokes found, per message; no more than `after` and `new` where not `active`."""

    rows: Ints
    after: Rows
    new: Bools
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
    models: Sequence[str]
    """Versions, which the messages name by index as they name policies."""


def first_strokes(parts: Sequence[Part], env: Env) -> list[Strokes]:
    """Fold in waves, keep row and vector after each message, predict all at once."""
    batch = _batch([part.columns for part in parts])
    now = np.concatenate([part.columns.now for part in parts])
    bounds = np.cumsum([0, *(len(part.columns.rows) for part in parts)])
    after, new = np.empty(len(batch), ROW), np.zeros(len(batch), np.bool_)
    where = batch.rows + np.repeat(np.arange(len(parts)) << 40, np.diff(bounds))  # rows of different tables
    for wave in waves(where):
        shares = list(_shares(parts, batch, bounds, wave))
        held = np.concatenate([raw(part.partition.table.at(rows)) for part, rows, _ in shares]).view(ROW)
        folded, new[wave] = fold_rows(held, batch, wave)
        raw(after)[wave], done = raw(folded), 0
        for part, rows, _ in shares:
            part.partition.table.put(rows, folded[done : (done := done + len(rows))])
    active = batch.counts & new
    x, p = vectors(after, now), np.zeros(len(batch))
    some = np.flatnonzero(active)
    if len(some):
        p[some] = _scores(parts, bounds, some, x if len(some) == len(x) else x[some], env)
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
        [fingerprint(name) for some in columns for name in some.ids],
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
    """One prediction, or one for each model while they are not all judged by the same."""
    models = [model for part in parts for model in part.models]
    if len(set(models)) == 1:
        return env.scorers[models[0]].score(x)
    firsts = np.cumsum([0, *(len(part.models) for part in parts)])
    which = np.concatenate([part.columns.policies for part in parts]) + np.repeat(firsts[:-1], np.diff(bounds))
    return score_each(env.scorers, models, which[positions], x)
