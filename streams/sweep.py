"""Time has passed: look at the leads whose time has come, all in one prediction, and let the rules do their work.

Most looks find that nothing moves, or no more than the risk. Those are settled in columns; only leads with an open matter
or a move of stage go through the rules one by one.
"""

import numpy as np

from streams.assess import Finding, Judge
from streams.campaign import begin_by_time
from streams.desk import desk_of
from streams.env import EVERYONE, Env
from streams.escalate import settle_all
from streams.features import Floats, Ints, lead_of
from streams.limits import limits_of
from streams.partition import Folded, Partition
from streams.policy import Policy
from streams.publish import Looked, publish
from streams.rollout import is_rolling, score_each, versions_of
from streams.rules import Case
from streams.silence import next_looks
from streams.vector import vectors


def fold_tick(partition: Partition, offset: int, cause: str, env: Env, done: Folded) -> None:
    """Visit every lead that is due at stream time and has not seen this tick yet."""
    table, now = partition.table, partition.state.now
    due = _united(table.due_rows(now), _to_be_looked_at_again(partition))
    partition.state.ticked = now
    due = due[table.rows["guard"][due] < offset]
    if not len(due):
        return
    done.tally["looks",] += len(due)
    held = table.at(due)
    x = vectors(held, np.maximum(now, held["last"]))
    policies, models, which = _judges(partition, due, env)
    p = score_each(env.scorers, models, which, x)
    limits = limits_of(policies, which)

    def stage_at(positions: Ints, times: Floats) -> Ints:
        then = vectors(held[positions], times)
        there = limits.at(positions)
        return there.level(there.felt(score_each(env.scorers, models, which[positions], then), then))

    felt = limits.felt(p, x)
    looks = next_looks(held["last"], now, limits.level(felt), stage_at)
    forget_at = held["last"] + limits.forget_seconds
    loud = limits.stage_moves(held, felt) | (held["flags"] > 0) | (now >= forget_at)
    loud |= (held["seq"] == 0) | (held["events"] == 0)
    calm = np.flatnonzero(~loud)
    table.rows["guard"][due] = offset
    table.due[due[calm]] = np.minimum(looks[calm], forget_at[calm])
    partition.touch_all(due)
    told_by = zip(policies, (env.scorers[model] for model in models), strict=True)
    judges = [Judge(scorer.method, scorer.version, policy.version) for policy, scorer in told_by]
    whose = [judges[i] for i in which[calm].tolist()]
    looked = Looked(due[calm], [cause] * len(calm), np.full(len(calm), now), x[calm], p[calm], limits.at(calm), whose)
    done.outputs.extend(out for _, out in publish(table, looked, done.tally))
    # In the order of their keys: one lead's step may take what is left of the tenant's budget for the day.
    for i in sorted(np.flatnonzero(loud).tolist(), key=lambda i: table.keys[int(due[i])] or b""):
        row = int(due[i])
        tenant, lead = lead_of(table.keys[row])
        case = Case(desk_of(partition, tenant, lead, env, done, now, offset), row, tenant, lead, cause, held[i])
        if case.is_over():
            settle_all(case, "the lead was forgotten")
            partition.forget(row, faded=True)
            continue
        live = bool(held["events"][i]) and case.is_live()
        table.due[row] = looks[i] if live else np.inf
        if live:
            case.assess(Finding(x[i], float(p[i]), float(felt[i])))
        begin_by_time(case)
        case.finish()


def _to_be_looked_at_again(partition: Partition) -> Ints:
    """Leads whose turn has come since the last tick, after other versions were put in force.

    All at once they would hold up everything for seconds, so each has its own moment within the span that the order gives,
    by its life: the same in every replay, wherever its row lies.
    """
    state, table = partition.state, partition.table
    if state.ticked >= state.activated + state.spread or not state.activated:
        return np.zeros(0, np.int64)
    rows = table.rows[: len(table.keys)]
    moments = state.activated + (rows["born"] & np.uint64(0xFFFF)) / 65_536 * state.spread
    return np.flatnonzero((rows["guard"] >= 0) & (moments <= state.now) & (moments > state.ticked))


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
