"""What a person who looks after a lead is advised to do now, on request: from its durable state, by what judges it.

The same rule as where a stage is entered or a lead is escalated (`streams.recommended`); nothing comes of asking.
"""

from collections.abc import Iterable
from dataclasses import replace

from schemas.errors import Unavailable
from streams.desk import desk_of
from streams.env import Env
from streams.partition import Folded, Partition
from streams.recommended import recommended_of
from streams.risk import Scorer
from streams.rollout import versions_of
from streams.rules import Case


def advised(
    state: Iterable[tuple[bytes, bytes | None, int]], tenant: str, lead: str, env: Env, scorer: Scorer, now: float
) -> tuple[str, ...]:
    """Actions, the most promising first; none for a lead that is in no stage, closed, or gone.

    Args:
        state: records of `lead.state` (key, value, offset): the lead's, and its partition's.
        tenant: of the lead.
        lead: its id there.
        env: policies and weights, every version that may be in force.
        scorer: the model that judges it.
        now: stream time, epoch seconds.

    Raises:
        Unavailable: a version that judges it is not on `policies` any more.
    """
    partition = Partition(0)
    partition.restore(state)
    versions = versions_of(partition.state, tenant, lead)
    if versions.policy not in env.policies:
        raise Unavailable(f"policy {versions.policy} judges {tenant}:{lead} and is not on `policies`: publish it again")
    known = replace(env, scorers={versions.model: scorer})
    desk = desk_of(partition, tenant, lead, known, Folded(), now, 0)
    row = partition.table.index[f"{tenant}:{lead}".encode()]
    case = Case(desk, row, tenant, lead, "", partition.table.rows[row])
    return recommended_of(case, case.probability) if case.is_live() else ()
