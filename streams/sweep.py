"""Time has passed: look at the leads whose time has come, all in one prediction, and let the rules do their work."""

import numpy as np

from streams.env import Env
from streams.features import Floats, Ints
from streams.partition import Folded, Partition
from streams.rules import Case, desk_of
from streams.silence import next_looks
from streams.stage import felt
from streams.vector import COLUMN, vectors


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
    names = [(table.keys[row] or b"").decode().split(":", 1) for row in due.tolist()]
    desks = [desk_of(partition, tenant, env, done, now) for tenant, _ in names]
    enter = np.array([desk.policy.stages.enter for desk in desks])
    grace = np.array([desk.policy.stages.grace_days for desk in desks])

    def stage_of(positions: Ints, then: Floats, risk: Floats) -> Ints:
        stands = felt(risk, then[:, COLUMN["silent_days"]], grace[positions])
        return np.asarray((stands[:, None] >= enter[positions]).sum(axis=1))

    def stage_at(positions: Ints, times: Floats) -> Ints:
        then = vectors(held[positions], times)
        return stage_of(positions, then, scorer.score(then))

    looks = next_looks(held["last"], now, stage_of(np.arange(len(due)), x, p), stage_at)
    for i, (row, (tenant, lead)) in enumerate(zip(due.tolist(), names, strict=True)):
        table.rows["guard"][row] = offset
        partition.touch(row)
        case = Case(desks[i], row, tenant, lead, cause, held[i])
        if case.is_over():
            partition.forget(row)
            continue
        live = bool(held["events"][i]) and case.is_live()
        table.due[row] = looks[i] if live else np.inf
        if live:
            case.assess(x[i], float(p[i]))
        case.finish()
