"""Gradual rollout: a version of the policy or of the model judges a share of leads, while the others keep the one in force.

Which leads is a hash of tenant and lead, salted with the version: the same ones in every replay, and those of 10 % are
among those of 20 %. Two different versions are two different draws, so that a policy and a model can be tried at the same
time without a trace of each other. Everything comes from `activate` records of the inbox.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from schemas.events import Activate
from streams.env import EVERYONE
from streams.features import Floats, Ints
from streams.holdout import BUCKETS
from streams.ids import bucket
from streams.risk import Scorer
from streams.state import PartitionState, Rollout


class Versions(NamedTuple):
    """Of policy, model and learned weights. Empty: those in force before the log activates others; no weights."""

    policy: str
    model: str
    weights: str = ""


def versions_of(state: PartitionState, tenant: str, lead: str) -> Versions:
    """Which versions judge this lead."""
    return Versions(
        _version_of(state.policy, state.policies, tenant, lead),
        _version_of(state.model, state.models, tenant, lead),
        state.weights,
    )


def is_rolling(state: PartitionState) -> bool:
    """Whether leads may be judged by different versions."""
    return bool(state.policies or state.models)


def in_use(state: PartitionState) -> Iterator[Versions]:
    """Everything that has to be at hand."""
    yield Versions(state.policy, state.model, state.weights)
    yield from (Versions(rollout.version, state.model) for rollout in state.policies.values())
    yield from (Versions(state.policy, rollout.version) for rollout in state.models.values())


def activate(state: PartitionState, order: Activate) -> bool:
    """Take an order up; whether any lead may be judged by other versions than before."""
    before = state.policy, state.model, state.policies, state.models
    state.policy, state.policies = _taken_up(state.policy, state.policies, order.policy, order)
    state.model, state.models = _taken_up(state.model, state.models, order.model, order)
    state.weights = order.weights if order.weights is not None else state.weights
    state.acting = order.acting if order.acting is not None else state.acting
    return (state.policy, state.model, state.policies, state.models) != before


def score_each(scorers: Mapping[str, Scorer], models: Sequence[str], which: Ints, x: Floats) -> Floats:
    """Probabilities, each row by its own model: `which` says the index among the versions."""
    different = list(dict.fromkeys(models))
    if len(different) == 1:
        return scorers[different[0]].score(x)
    p, number = np.zeros(len(x)), np.array([different.index(model) for model in models])[which]
    for i, model in enumerate(different):
        if (mine := number == i).any():
            p[mine] = scorers[model].score(x[mine])
    return p


def _version_of(standing: str, rollouts: Mapping[str, Rollout], tenant: str, lead: str) -> str:
    rollout = rollouts.get(tenant) or rollouts.get(EVERYONE)
    if rollout is None:
        return standing
    drawn = bucket(f"rollout:{rollout.version}", tenant, lead, BUCKETS) < round(rollout.share * BUCKETS)
    return rollout.version if drawn else standing


def _taken_up(
    standing: str, rollouts: dict[str, Rollout], version: str | None, order: Activate
) -> tuple[str, dict[str, Rollout]]:
    """The version in force and what is rolled out, after an order that may name another version."""
    if version is None:
        return standing, rollouts
    if order.share is None:
        return version, {}
    mine = Rollout(version, order.share)
    if order.share:
        # A tenant that was taken out of another version's rollout is none of this one's business.
        others = {tenant: r for tenant, r in rollouts.items() if r.share or r.version == version}
        return standing, others | {order.tenant: mine}
    left = {t: r for t, r in rollouts.items() if r.version != version or order.tenant not in {EVERYONE, t}}
    if order.tenant != EVERYONE and EVERYONE in left and left[EVERYONE].version == version:
        left[order.tenant] = mine  # the others go on
    return standing, left
