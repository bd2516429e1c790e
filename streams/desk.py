"""Where a case is worked on: what holds at this moment for a tenant, and where outputs go."""

from collections import Counter
from dataclasses import dataclass

from streams.env import Env
from streams.features import FeatureTable
from streams.partition import Folded, Out, Partition
from streams.policy import Policy
from streams.risk import Scorer


@dataclass
class Desk:
    """What holds at this moment for this tenant. Not `acting`: assess, but start and send nothing."""

    policy: Policy
    scorer: Scorer
    table: FeatureTable
    records: dict[int, bytes]
    acting: bool
    now: float
    outputs: list[Out]
    tally: Counter[tuple[str, ...]]
    partition: Partition
    offset: int
    """Of the message at hand."""
    partitions: int
    """How many share a tenant's budget."""
    address_key: bytes


def desk_of(partition: Partition, tenant: str, env: Env, done: Folded, now: float, offset: int) -> Desk:
    """The desk for a lead of this tenant at this time and message, by the versions in force on the partition."""
    policy, scorer = env.policy(partition.state.policy, tenant), env.scorers[partition.state.model]
    return Desk(
        policy, scorer, partition.table, partition.records, partition.state.acting, now, done.outputs, done.tally,
        partition, offset, env.partitions, env.address_key,
    )  # fmt: skip
