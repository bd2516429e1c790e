"""Works out from the topics what experiments have shown, and puts it on `policies`: the fold only ever reads it from there."""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from pydantic import ValidationError

from agents.reading import read_topics
from schemas import topics
from schemas.outcomes import TRACKED, InterventionTracked
from schemas.weights import Weights, WeightsPublished
from streams.bandit import Shown, shown, weights_of
from streams.credit import firsts, trials
from streams.env import EVERYONE
from streams.policy import Policy


class Learned(NamedTuple):
    """What is known of all experiments, by tenant and name, and up to when (the newest outcome)."""

    until: datetime
    experiments: dict[str, dict[str, Shown]]


async def read_tracked(bootstrap: str, prefix: str) -> list[InterventionTracked]:
    """All that was tracked. Raises Unavailable where the topic does not exist."""
    found = []
    async for record in read_topics(bootstrap, [prefix + topics.OUTCOMES.name]):
        try:
            one = TRACKED.validate_json(record.value or b"")
        except ValidationError:
            continue
        if isinstance(one, InterventionTracked):
            found.append(one)
    return found


def learn(tracked: list[InterventionTracked], policies: Mapping[str, Policy]) -> Learned | None:
    """What they show about the experiments of these policies (by tenant); None where nothing was tracked yet."""
    if not tracked:
        return None
    until = max(one.at for one in tracked)
    found: dict[str, dict[str, Shown]] = {}
    messages = firsts(tracked)
    for tenant in sorted({one.tenant for one in tracked}):
        policy = policies.get(tenant) or policies[EVERYONE]
        for name, experiment in policy.experiments.items():
            rows = trials(messages.get((tenant, name), []), name, policy, until)
            found.setdefault(tenant, {})[name] = shown(experiment, rows)
    return Learned(until, found)


def announcement(learned: Learned) -> WeightsPublished:
    """What was learned, as a record; the same outcomes give the same version."""
    weights = {tenant: Weights(experiments=weights_of(seen)) for tenant, seen in learned.experiments.items()}
    told = json.dumps({tenant: one.model_dump(mode="json") for tenant, one in weights.items()}, sort_keys=True)
    version = f"w-{learned.until:%Y%m%d}-{blake2b(told.encode(), digest_size=5).hexdigest()}"
    return WeightsPublished(
        id=f"weights-{version}", tenant=EVERYONE, at=learned.until, version=version, weights=weights
    )
