"""A stretch: messages about leads with no tick, activation or erasure between them, folded in three strokes.

Features of all of them in columns; one prediction for all activity; then the rules, in order, for those leads where
something moves. The rules see each lead as it was right after the message at hand, not as it is at the end of the
stretch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from schemas import events as e
from streams.desk import desk_of
from streams.env import Env
from streams.features import Batch, Bools, Floats, Rows, fold_wave, waves
from streams.hear import erase, hear
from streams.ids import fingerprint
from streams.life import on_activity
from streams.partition import Folded, Partition
from streams.record import WATCHED
from streams.rules import Case
from streams.silence import FIRST_LOOK
from streams.stage import felt
from streams.vector import COLUMN, NAMES, vectors
from streams.vocabulary import NO_MOOD, Meaning

SAYS_NOTHING = Meaning(family=0, key=False, cents=0, mood=NO_MOOD)
"""Of messages that are no activity: of them only the id is noted, so that a duplicate is recognised."""


class Event(NamedTuple):
    """A valid message about a lead, found its row. `now`: stream time; `at`: its own; `meaning`: of activity only."""

    offset: int
    now: float
    at: float
    row: int
    body: e.AboutLead
    meaning: Meaning | None


class Strokes(NamedTuple):
    """What the first two strokes found, per message. `x` and `p` mean nothing where there is no activity."""

    after: Rows
    new: Bools
    x: Floats
    p: Floats


def fold_stretch(partition: Partition, stretch: Sequence[Event], env: Env, done: Folded) -> None:
    """Apply a stretch. An erasure, if any, is its last message."""
    if not stretch:
        return
    table = partition.table
    guards = table.rows["guard"]
    fresh = [event for event in stretch if event.offset > guards[event.row]]
    for event in stretch:
        partition.touch(event.row)
    if len(fresh) < len(stretch):
        done.tally["skipped", "guard"] += len(stretch) - len(fresh)
    if not fresh:
        return
    found = _features_and_risk(partition, fresh, env)
    moving = _moving(partition, fresh, found, env)
    for i, event in enumerate(fresh):
        body = event.body
        table.rows["guard"][event.row] = event.offset
        if not found.new[i] and not isinstance(body, e.EraseLead):
            done.tally["duplicates",] += 1
            continue
        if event.row not in moving:
            continue
        desk = desk_of(partition, body.tenant, env, done, event.now)
        case = Case(desk, event.row, body.tenant, body.lead, body.id, found.after[i])
        if isinstance(body, e.EraseLead):
            erase(case)
            partition.forget(event.row)
            continue
        if event.meaning is None or not isinstance(body, e.Activity):
            hear(case, body, event.at)
        else:
            on_activity(case, body, event.meaning, event.at)
            case.assess(found.x[i], float(found.p[i]))
        case.finish()


def _features_and_risk(partition: Partition, fresh: Sequence[Event], env: Env) -> Strokes:
    """First and second stroke: fold in waves, keep row and vector after each message, predict all at once."""
    meanings = [event.meaning or SAYS_NOTHING for event in fresh]
    batch = Batch(
        [event.row for event in fresh],
        [event.at for event in fresh],
        [m.family for m in meanings],
        [m.key for m in meanings],
        [m.cents for m in meanings],
        [m.mood for m in meanings],
        [fingerprint(event.body.id) for event in fresh],
        [event.meaning is not None for event in fresh],
    )
    table = partition.table
    after = np.empty(len(fresh), table.rows.dtype)
    new = np.zeros(len(fresh), np.bool_)
    for wave in waves(batch.rows):
        after[wave], new[wave] = fold_wave(table, batch, wave)
    x, p = np.empty((len(fresh), len(NAMES))), np.zeros(len(fresh))
    active = np.flatnonzero(batch.counts & new)
    if len(active):
        times = np.array([event.now for event in fresh])
        x[active] = vectors(after[active], times[active])
        p[active] = env.scorers[partition.state.model].score(x[active])
        np.minimum.at(table.due, batch.rows[active], times[active] + FIRST_LOOK)
    return Strokes(after, new, x, p)


def _moving(partition: Partition, fresh: Sequence[Event], found: Strokes, env: Env) -> set[int]:
    """Rows for which any message of the stretch may change stage, published risk or an open matter.

    Judged by the state before the stretch: a lead that is not among them cannot have changed in between.
    """
    moving = {event.row for event in fresh if event.meaning is None}
    moving |= {event.row for event in fresh if getattr(event.body, "in_reply_to", None) is not None}
    active = [i for i, event in enumerate(fresh) if event.meaning is not None and found.new[i]]
    if not active:
        return moving
    rows, p = np.array([fresh[i].row for i in active]), found.p[active]
    policies = [env.policy(partition.state.policy, fresh[i].body.tenant) for i in active]
    enter = np.array([policy.stages.enter for policy in policies])
    leave = enter - np.array([policy.stages.hysteresis for policy in policies])[:, None]
    least = np.array([policy.publish.min_change for policy in policies])
    held = partition.table.rows[rows]
    stage = held["stage"].astype(np.int64)
    grace = np.array([policy.stages.grace_days for policy in policies])
    stands = felt(p, found.x[active, COLUMN["silent_days"]], grace)[:, None]
    up, stay = (stands >= enter).sum(axis=1), (stands >= leave).sum(axis=1)
    moves = (up > stage) | (stay < stage) | (np.abs(p - held["published"]) >= least)
    moves |= (held["seq"] == 0) | ((held["flags"] & WATCHED) > 0)
    return moving | set(rows[moves].tolist())
