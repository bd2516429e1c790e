"""Works out from the topics what is learned, and makes a record of it: the fold only ever reads it from `policies`."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from pydantic import ValidationError

from agents.habits import Habits
from agents.reading import read_topics
from schemas import topics
from schemas.outcomes import TRACKED, InterventionTracked
from schemas.units import Stage
from schemas.weights import Weights, WeightsPublished, name_of
from streams.answered import Rates, answered
from streams.bandit import Shown, shown, weights_of
from streams.credit import firsts, trials, tried_hours
from streams.env import EVERYONE
from streams.experiments import BUILT_IN_EXPERIMENTS, Goal
from streams.hours import Hours, hours
from streams.offers import PREFIX, running_offers
from streams.policy import Policy
from streams.quiet_hours import open_hours
from streams.variants import running


class Tenant(NamedTuple):
    """What is known of one tenant's leads. `choices`: the product's own experiments; `hours`: None where none are held to."""

    experiments: dict[str, Shown]
    choices: dict[str, Shown]
    channels: Rates
    hours: Hours | None


class Learned(NamedTuple):
    """What is known, by tenant, and up to when (the newest outcome)."""

    until: datetime
    tenants: dict[str, Tenant]


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


def learn(tracked: Sequence[InterventionTracked], habits: Habits, policies: Mapping[str, Policy]) -> Learned | None:
    """What they show under these policies (by tenant); None where nothing was tracked yet."""
    if not tracked:
        return None
    until = max(one.at for one in tracked)
    messages, held_out, rates = firsts(tracked), firsts(tracked, "holdout"), answered(tracked)
    found = {}
    for tenant in sorted({one.tenant for one in tracked}):
        policy = policies.get(tenant) or policies[EVERYONE]
        tried: dict[str, tuple[list[str], Goal]] = {
            name: (list(running(one)), one.goal) for name, one in policy.experiments.items()
        }
        tried |= {
            f"{PREFIX}{stage}": (list(weights), "kept")
            for stage in Stage
            if (weights := running_offers(policy, stage)) and (tenant, f"{PREFIX}{stage}") in messages
        }
        experiments = {
            name: shown(
                variants,
                trials(messages.get((tenant, name), []), name, goal, policy, until),
                trials(held_out.get((tenant, name), []), name, goal, policy, until),
            )
            for name, (variants, goal) in tried.items()
        }
        choices = {
            name: shown(variants, trials(messages[tenant, name], name, "kept", policy, until))
            for name, variants in BUILT_IN_EXPERIMENTS.items()
            if (tenant, name) in messages
        }
        hold = _hours(tracked, habits, tenant, policy, until) if policy.send_time else None
        found[tenant] = Tenant(experiments, choices, rates.get(tenant, {}), hold)
    return Learned(until, found)


def _hours(
    tracked: Sequence[InterventionTracked], habits: Habits, tenant: str, policy: Policy, until: datetime
) -> Hours:
    sent, back = [0.0] * 24, [0.0] * 24
    for one, answers in tried_hours(tracked, tenant, policy, until):
        hour = habits.hour_of(tenant, one.lead, one.commanded_at.timestamp())
        sent[hour] += 1
        back[hour] += answers
    return hours(habits.activity.get(tenant, {}), sent, back, open_hours(*policy.quiet_hours.minutes))


def announcement(learned: Learned) -> WeightsPublished:
    """What was learned, as a record; the same outcomes give the same version."""
    weights = {tenant: _weights(tenant, known) for tenant, known in learned.tenants.items()}
    told = json.dumps({tenant: one.model_dump(mode="json") for tenant, one in weights.items()}, sort_keys=True)
    version = f"w-{learned.until:%Y%m%d}-{blake2b(told.encode(), digest_size=5).hexdigest()}"
    return WeightsPublished(
        id=f"weights-{version}", tenant=EVERYONE, at=learned.until, version=version, weights=weights
    )


def _weights(tenant: str, known: Tenant) -> Weights:
    own: dict[int, list[str]] = defaultdict(list)
    for lead, hour in known.hours.own.items() if known.hours else ():
        own[hour].append(name_of(tenant, lead))
    return Weights(
        experiments=weights_of(known.experiments),
        channels=known.channels,
        hour=known.hours.usual if known.hours else None,
        hours={hour: tuple(sorted(names)) for hour, names in sorted(own.items())},
    )
