"""Time has passed: look at the leads whose time has come, all in one prediction, and let the rules do their work.

Most looks find that nothing moves. Those are settled in columns; only leads with an open matter, a move of stage or a
change worth publishing go through the rules one by one.
"""

from typing import NamedTuple

import numpy as np

from streams.desk import desk_of
from streams.env import EVERYONE, Env
from streams.features import DAY, Bools, Floats, Ints, Rows
from streams.partition import Folded, Partition
from streams.policy import Policy
from streams.record import WATCHED
from streams.rules import Case
from streams.silence import next_looks
from streams.stage import felt
from streams.vector import COLUMN, vectors


class Limits(NamedTuple):
    """What the policies of the leads at hand say, a row per lead."""

    enter: Floats
    leave: Floats
    grace_days: Floats
    least_change: Floats
    forget_days: Floats


def fold_tick(partition: Partition, offset: int, cause: str, env: Env, done: Folded) -> None:
    """Visit every lead that is due at stream time and has not seen this tick yet."""
    table, now = partition.table, partition.state.now
    due = table.due_rows(now)
    due = due[table.rows["guard"][due] < offset]
    if not len(due):
        return
    scorer = env.scorers[partition.state.model]
    done.tally["looks",] += len(due)
    held = table.rows[due]
    x = vectors(held, np.maximum(now, held["last"]))
    p = scorer.score(x)
    limits = _limits(partition, due, env)

    def stage_of(positions: Ints, then: Floats, risk: Floats) -> Ints:
        stands = felt(risk, then[:, COLUMN["silent_days"]], limits.grace_days[positions])
        return np.asarray((stands[:, None] >= limits.enter[positions]).sum(axis=1))

    def stage_at(positions: Ints, times: Floats) -> Ints:
        then = vectors(held[positions], times)
        return stage_of(positions, then, scorer.score(then))

    looks = next_looks(held["last"], now, stage_of(np.arange(len(due)), x, p), stage_at)
    still = _nothing_moves(held, x, p, limits, now)
    calm = due[still]
    table.rows["guard"][calm] = offset
    table.due[calm] = np.minimum(looks[still], held["last"][still] + limits.forget_days[still] * DAY)
    partition.touch_all(calm)
    for i in np.flatnonzero(~still).tolist():
        row = int(due[i])
        tenant, lead = (table.keys[row] or b"").decode().split(":", 1)
        table.rows["guard"][row] = offset
        partition.touch(row)
        case = Case(desk_of(partition, tenant, env, done, now), row, tenant, lead, cause, held[i])
        if case.is_over():
            partition.forget(row, faded=True)
            continue
        live = bool(held["events"][i]) and case.is_live()
        table.due[row] = looks[i] if live else np.inf
        if live:
            case.assess(x[i], float(p[i]))
        case.finish()


def _nothing_moves(held: Rows, x: Floats, p: Floats, limits: Limits, now: float) -> Bools:
    """Leads for which this look changes neither stage nor published risk, and that have no open matter."""
    stands = felt(p, x[:, COLUMN["silent_days"]], limits.grace_days)[:, None]
    stage = held["stage"].astype(np.int64)
    moves = ((stands >= limits.enter).sum(axis=1) > stage) | ((stands >= limits.leave).sum(axis=1) < stage)
    moves |= np.abs(p - held["published"]) >= limits.least_change
    moves |= (held["seq"] == 0) | (held["events"] == 0) | ((held["flags"] & WATCHED) > 0)
    return np.asarray(~moves & (now < held["last"] + limits.forget_days * DAY))


def _limits(partition: Partition, rows: Ints, env: Env) -> Limits:
    """The limits of each lead's tenant; one row for all where every tenant has the same policy."""
    policies = env.policies[partition.state.policy]
    if len(policies) == 1:
        found = [policies[EVERYONE]]
    else:
        keys = [partition.table.keys[row] or b"" for row in rows.tolist()]
        found = [env.policy(partition.state.policy, key.split(b":", 1)[0].decode()) for key in keys]
    columns = [_row(policy) for policy in found]
    enter, leave, *rest = (np.array(column) for column in zip(*columns, strict=True))
    n = (len(rows),)
    return Limits(
        np.broadcast_to(enter, (*n, 3)),
        np.broadcast_to(leave, (*n, 3)),
        *(np.broadcast_to(column, n) for column in rest),
    )


def _row(policy: Policy) -> tuple[tuple[float, ...], tuple[float, ...], float, float, float]:
    stages, publish = policy.stages, policy.publish
    leave = tuple(t - stages.hysteresis for t in stages.enter)
    return stages.enter, leave, stages.grace_days, publish.min_change, publish.forget_silent_after_days
