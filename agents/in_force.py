"""Which policies and weights judge right now: by the orders that the workers have followed, with their content from `policies`."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import ValidationError

from agents.library import Library
from agents.reading import read_topics
from agents.settings import LeadSettings, Settings
from agents.table import BARRIER_KEY
from schemas import topics
from schemas.errors import Unavailable
from schemas.policies import PUBLISHED, PolicyPublished, key_of
from schemas.weights import Weights
from streams.env import EVERYONE, Env
from streams.policy import Policy
from streams.state import PARTITION_KEY, PartitionState, decode_partition


class InForce(NamedTuple):
    """By tenant (`*`: of those without their own). `weights_version` is empty where none were put in force."""

    policy_version: str
    policies: Mapping[str, Policy]
    weights: Mapping[str, Weights]
    weights_version: str

    def policy_of(self, tenant: str) -> Policy:
        """The tenant's own, else everybody's."""
        return self.policies.get(tenant) or self.policies[EVERYONE]


async def in_force(settings: LeadSettings) -> InForce:
    """What stands in the state of the partition that followed an order last; before any order, the files of the settings.

    What judges only a share of the leads is left out.

    Raises:
        Unavailable: The topics do not exist, or a version in force is not on `policies` any more.
        PolicyInvalid: A file of the settings may not be used.
    """
    env, prefix, told = await at_hand(settings), settings.topic_prefix, dict[int, PartitionState]()
    async for record in read_topics(settings.bootstrap, [prefix + topics.STATE.name]):
        if record.key == PARTITION_KEY and record.value:
            told[record.partition] = decode_partition(record.value)
    state = max(told.values(), key=lambda one: (one.activated, one.now), default=PartitionState())
    if state.policy not in env.policies or (state.weights and state.weights not in env.weights):
        missing = state.weights if state.policy in env.policies else f"policy {state.policy}"
        raise Unavailable(f"{missing} is in force, and not on {prefix}{topics.POLICIES.name}: publish it again")
    weights = env.weights.get(state.weights, {})
    policies = env.policies[state.policy]
    return InForce(policies[EVERYONE].version, policies, weights, state.weights)


async def at_hand(settings: LeadSettings) -> Env:
    """Every version of policies and weights: of the files of the settings, and as announced. Raises as `in_force` does."""
    library = Library(settings)
    async for record in read_topics(settings.bootstrap, [settings.topic_prefix + topics.POLICIES.name]):
        if record.key not in {None, BARRIER_KEY}:
            await library.take(record.key, record.value)
    return library.env


async def published(settings: Settings) -> list[PolicyPublished]:
    """The policies on the topic, the newest word on each version and tenant, oldest first. Raises Unavailable."""
    found = {key_of(one): one for one in await announced(settings)}
    return sorted(found.values(), key=lambda one: (one.at, one.version, one.tenant))


async def announced(settings: Settings) -> list[PolicyPublished]:
    """Every record of a policy that the topic still holds, also several of one version. Raises Unavailable."""
    found = []
    async for record in read_topics(settings.bootstrap, [settings.topic_prefix + topics.POLICIES.name]):
        try:
            one = PUBLISHED.validate_json(record.value or b"")
        except ValidationError:
            continue
        if isinstance(one, PolicyPublished):
            found.append(one)
    return found
