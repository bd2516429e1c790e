"""Time has passed: look at the leads whose time has come, all in one prediction, and let the rules do their work.

Most looks find that nothing moves, or no more than the risk. Those are settled in columns; only leads with an open matter
or a move of stage go through the rules one by one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from schemas.events import Tick
from streams.assess import Finding, Judge, measures
from streams.desk import desk_of
from streams.env import EVERYONE, Env
from streams.escalate import settle_all
from streams.features import Floats, Ints, lead_of, picked
from streams.grounds import grounds_of
from streams.limits import limits_of
from streams.on_the_way import begin_by_time
from streams.outbox import instant
from streams.partition import Folded, Partition
from streams.policy import Policy
from streams.publish import Looked, publish
from streams.rollout import is_rolling, score_each, versions_of
from streams.rules import Case
from streams.silence import next_looks
from streams.vector import vectors

BLOCK = 4096
"""Leads scored together: their vectors fit into a processor's cache, and no step keeps other threads from running."""


def waiting(partition: Partition, now: float) -> Floats:
    """The moments from which on those leads are due whose turn has come."""
    table, again = partition.table, _again(partition, now)
    moments = table.due[table.due_rows(now)]
    return np.concatenate([moments, _moments(partition)[again]]) if len(again) else moments


def turn_of(moments: Floats, most: int) -> datetime | None:
    """Up to which moment a tick may go so that about as many leads as `most` have their turn; None: no more than those are `waiting`.

    Only a tick that is in the log may say so. It bounds by time and not by number, as after a crash some of the leads that
    had their turn are due no more: others would take their places.
    """
    if len(moments) <= most:
        return None
    return instant(float(np.partition(moments, most - 1)[most - 1])) + timedelta(microseconds=1)


class _Loud(NamedTuple):
    """A lead that has to go through the rules: its row, what is held of it, what was found, its next look."""

    row: int
    held: np.void
    found: Finding
    look: float


def fold_tick(partition: Partition, offset: int, tick: Tick, env: Env, done: Folded) -> None:
    """Visit every lead whose turn has come at stream time and that has not seen this tick yet."""
    table, now, cause = partition.table, partition.state.now, tick.id
    until = now if tick.until is None else min(now, tick.until.timestamp())
    due = _united(table.due_rows(until), _again(partition, until))
    partition.state.ticked = max(partition.state.ticked, until)
    due = due[table.rows["guard"][due] < offset]
    if not len(due):
        return
    done.tally["looks",] += len(due)
    policies, models, which = _judges(partition, due, env)
    table.rows["guard"][due] = offset
    partition.touch_all(due)
    loud: list[_Loud] = []
    for start in range(0, len(due), BLOCK):
        these = slice(start, start + BLOCK)
        loud += _look(partition, due[these], which[these], policies, models, cause, env, done)
    # In the order of their keys: one lead's step may take what is left of the tenant's budget for the day.
    for each in sorted(loud, key=lambda each: table.keys[each.row] or b""):
        tenant, lead = lead_of(table.keys[each.row])
        desk = desk_of(partition, tenant, lead, env, done, now, offset)
        case = Case(desk, each.row, tenant, lead, cause, each.held)
        if case.is_over():
            settle_all(case, "the lead was forgotten")
            partition.forget(each.row, faded=True)
            continue
        live = bool(each.held["events"]) and case.is_live()
        table.due[each.row] = each.look if live else np.inf
        if live:
            case.assess(each.found)
        begin_by_time(case)
        case.finish()


def _look(
    partition: Partition,
    due: Ints,
    which: Ints,
    policies: Sequence[Policy],
    models: Sequence[str],
    cause: str,
    env: Env,
    done: Folded,
) -> list[_Loud]:
    """Score some leads, settle those for which nothing else follows, and return the others."""
    table, now = partition.table, partition.state.now
    held = table.at(due)
    x = vectors(held, np.maximum(now, held["last"]))
    p = score_each(env.scorers, models, which, x)
    limits = limits_of(policies, which)

    def stage_at(positions: Ints, times: Floats) -> Ints:
        then = vectors(picked(held, positions), times)
        there = limits.at(positions)
        return there.level(there.felt(score_each(env.scorers, models, which[positions], then), then))

    felt = limits.felt(p, x)
    looks = next_looks(held["last"], now, limits.level(felt), stage_at)
    forget_at = held["last"] + limits.forget_seconds
    moves = limits.stage_moves(held, felt)
    loud = moves | (held["flags"] > 0) | (now >= forget_at)
    loud |= (held["seq"] == 0) | (held["events"] == 0)
    calm = np.flatnonzero(~loud)
    table.due[due[calm]] = np.minimum(looks[calm], forget_at[calm])
    told_by = zip(policies, (env.scorers[model] for model in models), strict=True)
    judges = [Judge(scorer.method, scorer.version, policy.version) for policy, scorer in told_by]
    whose = [judges[i] for i in which[calm].tolist()]
    looked = Looked(due[calm], [cause] * len(calm), np.full(len(calm), now), x[calm], p[calm], limits.at(calm), whose)
    done.outputs.extend(out for _, out in publish(table, looked, done.tally))
    stirs, at = np.flatnonzero(loud), np.flatnonzero(moves)
    scorers = [env.scorers[model] for model in models]
    grounds = dict(
        zip(at.tolist(), grounds_of(scorers, which[at], x[at], held[at], np.full(len(at), now)), strict=True)
    )
    found = map(
        Finding,
        x[stirs],
        p[stirs].tolist(),
        felt[stirs].tolist(),
        measures(x[stirs], p[stirs]).tolist(),
        map(grounds.get, stirs.tolist()),
    )
    return list(map(_Loud, due[stirs].tolist(), held[stirs], found, looks[stirs].tolist()))


def _again(partition: Partition, until: float) -> Ints:
    """Leads whose turn has come since the last tick, after other versions were put in force.

    All at once they would hold up everything for seconds, so each has its own moment within the span that the order gives.
    """
    state = partition.state
    if state.ticked >= state.activated + state.spread or not state.activated:
        return np.zeros(0, np.int64)
    moments = _moments(partition)
    held = partition.table.rows["guard"][: len(moments)] >= 0
    return np.flatnonzero(held & (moments <= until) & (moments > state.ticked))


def _moments(partition: Partition) -> Floats:
    """When each row is to be looked at again: by the lead's life, the same in every replay, wherever its row lies."""
    state, table = partition.state, partition.table
    born = table.rows["born"][: len(table.keys)]
    return np.asarray(state.activated + (born & np.uint64(0xFFFF)) / 65_536 * state.spread)


def _united(some: Ints, others: Ints) -> Ints:
    return np.union1d(some, others) if len(others) else some


def _judges(partition: Partition, rows: Ints, env: Env) -> tuple[list[Policy], list[str], Ints]:
    """Policies and versions of models, side by side, that hold for these leads, and which of them for each."""
    state = partition.state
    if len(env.policies[state.policy]) == 1 and not is_rolling(state):
        return [env.policies[state.policy][EVERYONE]], [state.model], np.zeros(len(rows), np.int64)
    leads = [lead_of(partition.table.keys[row]) for row in rows.tolist()]
    names = [(tenant, *versions_of(state, tenant, lead)[:2]) for tenant, lead in leads]
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    policies = [env.policy(policy, tenant) for tenant, policy, _ in number]
    return policies, [model for *_, model in number], np.array([number[name] for name in names], np.int64)
