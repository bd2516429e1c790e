"""Where a case is worked on: what holds at this moment for a tenant, and where outputs go."""

from collections import Counter
from dataclasses import dataclass

from schemas.weights import Weights
from streams.env import Env
from streams.features import FeatureTable
from streams.partition import Folded, Out, Partition
from streams.policy import Policy
from streams.risk import Scorer
from streams.rollout import versions_of


@dataclass
class Desk:
    """What holds at this moment for this lead. Not `acting`: assess, but start and send nothing."""

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
    weights: Weights
    """What was learned for the tenant."""
    partitions: int
    """How many share a tenant's budget."""
    address_key: bytes


def desk_of(partition: Partition, tenant: str, lead: str, env: Env, done: Folded, now: float, offset: int) -> Desk:
    """The desk for this lead at this time and message, by the versions that hold for it on the partition."""
    versions = versions_of(partition.state, tenant, lead)
    policy, scorer = env.policy(versions.policy, tenant), env.scorers[versions.model]
    return Desk(
        policy, scorer, partition.table, partition.records, partition.state.acting, now, done.outputs, done.tally,
        partition, offset, env.learned(versions.weights, tenant), env.partitions, env.address_key,
    )  # fmt: skip
