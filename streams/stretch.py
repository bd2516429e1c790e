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


class Event(NamedTuple):
    """A valid message about a lead. `now`: stream time; `at`: its own; `meaning`: of activity only; `policy`: its index."""

    offset: int
    now: float
    at: float
    row: int
    body: e.AboutLead
    meaning: Meaning | None
    policy: int


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
    for name, n in Counter([event.body.type for event in stretch]).items():
        done.tally["events", name] += n
    fresh = _unseen(partition, stretch, done)
    if not fresh:
        return
    limits = limits_of(policies, np.array([event.policy for event in fresh]))
    found = _features_and_risk(partition, fresh, limits, env)
    if not found.new.all():
        done.tally["duplicates",] += sum(
            not new and type(fresh[i].body) is not e.EraseLead for i, new in enumerate(found.new)
        )
    loud = _loud(partition, fresh, found, limits)
    quiet = found.active.copy()
    quiet[loud] = False
    told = _quiet(partition, fresh, found, limits, policies, quiet, env, done)
    for i in loud:
        event = fresh[i]
        erasing = type(event.body) is e.EraseLead
        if not (found.new[i] or erasing):
            continue
        while told and told[-1][0] < i:
            done.outputs.append(told.pop()[1])
        _apply(partition, event, i, found, env, done)
        if erasing:
            partition.forget(event.row)
    done.outputs.extend(out for _, out in reversed(told))


def _unseen(partition: Partition, stretch: Sequence[Event], done: Folded) -> Sequence[Event]:
    """Those that the guards of their leads have not seen; the others' leads are made durable again."""
    if not stretch:
        return stretch
    guards, rows = partition.table.rows["guard"], np.array([event.row for event in stretch])
    partition.touch_all(rows)
    offsets = np.array([event.offset for event in stretch])
    unseen = offsets > guards[rows]
    guards[rows[unseen]] = offsets[unseen]  # of a lead's several, the last one stays
    if unseen.all():
        return stretch
    done.tally["skipped", "guard"] += int((~unseen).sum())
    return [stretch[i] for i in np.flatnonzero(unseen).tolist()]


def _apply(partition: Partition, event: Event, i: int, found: Strokes, env: Env, done: Folded) -> None:
    """The rules for one message."""
    body, meaning = event.body, event.meaning
    desk = desk_of(partition, body.tenant, env, done, event.now)
    case = Case(desk, event.row, body.tenant, body.lead, body.id, found.after[i])
    if type(body) is e.EraseLead:
        erase(case)
        return
    if meaning is not None and e.is_activity(body):
        on_activity(case, body, meaning, event.at)
        case.assess(Finding(found.x[i], float(found.p[i]), float(found.felt[i]), found.measured[i]))
    else:
        hear(case, body, event.at)
    case.finish()


def _features_and_risk(partition: Partition, fresh: Sequence[Event], limits: Limits, env: Env) -> Strokes:
    """First and second stroke: fold in waves, keep row and vector after each message, predict all at once."""
    _, now, at, rows, bodies, meanings, _ = zip(*fresh, strict=True)
    families, keys, cents, moods = zip(*[meaning or SAYS_NOTHING for meaning in meanings], strict=True)
    prints = [fingerprint(body.id) for body in bodies]
    batch = Batch(rows, at, families, keys, cents, moods, prints, [meaning is not None for meaning in meanings])
    table, n, times = partition.table, len(fresh), np.array(now)
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


def _loud(partition: Partition, fresh: Sequence[Event], found: Strokes, limits: Limits) -> list[int]:
    """Messages of leads for which any message of the stretch may change stage or an open matter; in order.

    Judged by the state before the stretch: a lead that is not among them cannot have changed in between.
    """
    rows = {event.row for event in fresh if event.meaning is None or _answers(event.body)}
    where = np.flatnonzero(found.active)
    if len(where):
        held = partition.table.rows[found.rows[where]]
        moves = limits.at(where).stage_moves(held, found.felt[where]) | ((held["flags"] & WATCHED) > 0)
        rows.update(found.rows[where[moves]].tolist())
    return [i for i, event in enumerate(fresh) if event.row in rows] if rows else []


def _answers(body: e.AboutLead) -> bool:
    return type(body) is e.MessageReceived and body.in_reply_to is not None


def _quiet(
    partition: Partition,
    fresh: Sequence[Event],
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
            [fresh[i].body.id for i in positions],
            found.now[here],
            found.p[here],
            [found.measured[i] for i in positions],
            limits.at(here),
            [judges[fresh[i].policy] for i in positions],
        )
        told += [(positions[i], out) for i, out in publish(table, looked, done.tally)]
    told.sort(reverse=True)
    return told


def _begin(column: NDArray[Any], rows: Ints, values: NDArray[Any]) -> None:
    """Set what a lead's first message sets: where nothing is set yet."""
    unset = column[rows] == 0
    column[rows[unset]] = values[unset]
