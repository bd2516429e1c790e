"""A stretch: messages about leads with no tick, activation or erasure between them, folded in three strokes.

Features of all of them in columns; one prediction for all activity; then the rules, in order, for those leads where
something moves; what is left is at most worth an assessment (`publish.py`). The rules see each lead as it was right
after the message at hand, not as it is at the end of the stretch.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas import events as e
from streams.assess import Finding, Judge, measures
from streams.desk import desk_of
from streams.env import Env
from streams.features import Batch, Bools, Floats, Ints, Rows, fold_wave, waves
from streams.hear import erase, hear
from streams.ids import fingerprint
from streams.life import on_activity
from streams.limits import Limits, limits_of
from streams.partition import Folded, Out, Partition
from streams.policy import Policy
from streams.publish import Looked, publish
from streams.record import WATCHED
from streams.rules import Case
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

    waves: Sequence[Ints]
    rows: Ints
    after: Rows
    new: Bools
    prints: NDArray[np.uint64]
    active: Bools
    now: Floats
    x: Floats
    p: Floats
    felt: Floats
    measured: Sequence[Sequence[float]]


def fold_stretch(
    partition: Partition, stretch: Sequence[Event], policies: Sequence[Policy], env: Env, done: Folded
) -> None:
    """Apply a stretch. An erasure, if any, is its last message."""
    if not stretch:
        return
    columns = Columns(*zip(*stretch, strict=True))
    for name, n in Counter([body.type for body in columns.bodies]).items():
        done.tally["events", name] += n
    fresh = _unseen(partition, columns, done)
    if fresh is None:
        return
    limits = limits_of(policies, np.array(fresh.policies))
    found = _features_and_risk(partition, fresh, limits, env)
    if not found.new.all():
        done.tally["duplicates",] += sum(
            not new and type(body) is not e.EraseLead for new, body in zip(found.new, fresh.bodies, strict=True)
        )
    loud = _loud(partition, fresh, found, limits)
    quiet = found.active.copy()
    quiet[loud] = False
    told = _quiet(partition, fresh, found, limits, policies, quiet, env, done)
    for i in loud:
        erasing = type(fresh.bodies[i]) is e.EraseLead
        if not (found.new[i] or erasing):
            continue
        while told and told[-1][0] < i:
            done.outputs.append(told.pop()[1])
        _apply(partition, fresh, i, found, env, done)
        if erasing:
            partition.forget(fresh.rows[i])
    done.outputs.extend(out for _, out in reversed(told))


def _unseen(partition: Partition, stretch: Columns, done: Folded) -> Columns | None:
    """Those that the guards of their leads have not seen; the others' leads are made durable again."""
    guards, rows, offsets = partition.table.rows["guard"], np.array(stretch.rows), np.array(stretch.offsets)
    partition.touch_all(rows)
    unseen = offsets > guards[rows]
    guards[rows[unseen]] = offsets[unseen]  # of a lead's several, the last one stays
    if unseen.all():
        return stretch
    done.tally["skipped", "guard"] += int((~unseen).sum())
    left = [event for event, new in zip(zip(*stretch, strict=True), unseen, strict=True) if new]
    return Columns(*zip(*left, strict=True)) if left else None


def _apply(partition: Partition, fresh: Columns, i: int, found: Strokes, env: Env, done: Folded) -> None:
    """The rules for one message."""
    body, meaning = fresh.bodies[i], fresh.meanings[i]
    desk = desk_of(partition, body.tenant, env, done, fresh.now[i])
    case = Case(desk, fresh.rows[i], body.tenant, body.lead, body.id, found.after[i])
    if type(body) is e.EraseLead:
        erase(case)
        return
    if meaning is not None and e.is_activity(body):
        on_activity(case, body, meaning, fresh.at[i])
        case.assess(Finding(found.x[i], float(found.p[i]), float(found.felt[i]), found.measured[i]))
    else:
        hear(case, body, fresh.at[i])
    case.finish()


def _features_and_risk(partition: Partition, fresh: Columns, limits: Limits, env: Env) -> Strokes:
    """First and second stroke: fold in waves, keep row and vector after each message, predict all at once."""
    families, keys, cents, moods = zip(*[meaning or SAYS_NOTHING for meaning in fresh.meanings], strict=True)
    prints = [fingerprint(body.id) for body in fresh.bodies]
    counts = [meaning is not None for meaning in fresh.meanings]
    batch = Batch(fresh.rows, fresh.at, families, keys, cents, moods, prints, counts)
    table, n, times = partition.table, len(counts), np.array(fresh.now)
    after = np.empty(n, table.rows.dtype)
    new = np.zeros(n, np.bool_)
    in_waves = waves(batch.rows)
    for wave in in_waves:
        after[wave], new[wave] = fold_wave(table, batch, wave)
    x, p = np.zeros((n, len(NAMES))), np.zeros(n)
    active = batch.counts & new
    where = np.flatnonzero(active)
    if len(where):
        x[where] = vectors(after[where], times[where])
        p[where] = env.scorers[partition.state.model].score(x[where])
        np.minimum.at(table.due, batch.rows[where], times[where] + FIRST_LOOK)
    felt, measured = limits.felt(p, x), measures(x, p).tolist()
    return Strokes(in_waves, batch.rows, after, new, batch.fingerprints, active, times, x, p, felt, measured)


def _loud(partition: Partition, fresh: Columns, found: Strokes, limits: Limits) -> list[int]:
    """Messages of leads for which any message of the stretch may change stage or an open matter; in order.

    Judged by the state before the stretch: a lead that is not among them cannot have changed in between.
    """
    told = zip(fresh.rows, fresh.bodies, fresh.meanings, strict=True)
    rows = {row for row, body, meaning in told if meaning is None or _answers(body)}
    where = np.flatnonzero(found.active)
    if len(where):
        held = partition.table.rows[found.rows[where]]
        moves = limits.at(where).stage_moves(held, found.felt[where]) | ((held["flags"] & WATCHED) > 0)
        rows.update(found.rows[where[moves]].tolist())
    return [i for i, row in enumerate(fresh.rows) if row in rows] if rows else []


def _answers(body: e.AboutLead) -> bool:
    return type(body) is e.MessageReceived and body.in_reply_to is not None


def _quiet(
    partition: Partition,
    fresh: Columns,
    found: Strokes,
    limits: Limits,
    policies: Sequence[Policy],
    quiet: Bools,
    env: Env,
    done: Folded,
) -> list[tuple[int, Out]]:
    """Assessments of the other leads, last message first."""
    table, scorer = partition.table, env.scorers[partition.state.model]
    judges = [Judge(scorer.method, scorer.version, policy.version) for policy in policies]
    told: list[tuple[int, Out]] = []
    for wave in found.waves:
        here = wave[quiet[wave]]
        if not len(here):
            continue
        rows, positions = found.rows[here], here.tolist()
        _begin(table.rows["since"], rows, found.now[here])
        _begin(table.rows["born"], rows, found.prints[here])
        looked = Looked(
            rows,
            [fresh.bodies[i].id for i in positions],
            found.now[here],
            found.p[here],
            [found.measured[i] for i in positions],
            limits.at(here),
            [judges[fresh.policies[i]] for i in positions],
        )
        told += [(positions[i], out) for i, out in publish(table, looked, done.tally)]
    told.sort(reverse=True)
    return told


def _begin(column: NDArray[Any], rows: Ints, values: NDArray[Any]) -> None:
    """Set what a lead's first message sets: where nothing is set yet."""
    unset = column[rows] == 0
    column[rows[unset]] = values[unset]
