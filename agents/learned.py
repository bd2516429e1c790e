"""Works out from the topics what is learned, and makes a record of it: the fold only ever reads it from `policies`."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from agents.habits import Habits
from agents.reading import read_topics
from schemas import topics
from schemas.decisions import Decided
from schemas.journeys import JourneyProgressed
from schemas.outcomes import TRACKED, EpisodeClosed, InterventionTracked
from schemas.units import Stage
from schemas.weights import Passed, Weights, WeightsPublished, name_of
from streams.answered import Rates, answered
from streams.bandit import Shown, shown, weights_of
from streams.credit import firsts, trials, tried_hours
from streams.effects import HELD_OUT, TREATED, Arm, Comings, came, effects, ended
from streams.effects import trials as of_arms
from streams.env import EVERYONE
from streams.experiments import BUILT_IN_EXPERIMENTS
from streams.hours import Hours, Tried, hours
from streams.offers import PREFIX, running_offers
from streams.policy import Policy
from streams.progress import Progress
from streams.quiet_hours import open_hours
from streams.variants import running

T = TypeVar("T")
DECIDED: TypeAdapter[Decided] = TypeAdapter(Decided)


class Tenant(NamedTuple):
    """What is known of one tenant's leads. `choices`: the product's own experiments; `hours`: None where none are held to.

    `programmes`: by playbook and campaign, what it changes, against each kind of held-out leads.
    """

    experiments: dict[str, Shown]
    choices: dict[str, Shown]
    channels: Rates
    hours: Hours | None
    programmes: dict[str, dict[Arm, Shown]]
    journey: dict[str, Passed]


class Learned(NamedTuple):
    """What is known, by tenant, and up to when (the newest outcome)."""

    until: datetime
    tenants: dict[str, Tenant]


class Log(NamedTuple):
    """What it is learned from: messages, episodes and journeys as they were tracked, and what was decided."""

    tracked: Sequence[InterventionTracked]
    closed: Sequence[EpisodeClosed] = ()
    decided: Sequence[Decided] = ()
    travelled: Sequence[JourneyProgressed] = ()

    @property
    def until(self) -> datetime | None:
        """When the newest outcome was told; None: there is none yet."""
        return max([one.at for one in self.tracked] + [one.at for one in self.travelled], default=None)


async def read_log(bootstrap: str, prefix: str, *, decisions: bool) -> Log:
    """What the topics hold, with decisions or without. Raises Unavailable where one does not exist."""
    tracked, closed, decided = list[InterventionTracked](), list[EpisodeClosed](), Comings()
    travelled = list[JourneyProgressed]()
    async for record in read_topics(bootstrap, [prefix + topics.OUTCOMES.name]):
        match _parsed(TRACKED, record.value):
            case InterventionTracked() as one:
                tracked.append(one)
            case EpisodeClosed() as one:
                closed.append(one)
            case JourneyProgressed() as one:
                travelled.append(one)
    if decisions and tracked:
        async for record in read_topics(bootstrap, [prefix + topics.DECISIONS.name]):
            if (told := _parsed(DECIDED, record.value)) is not None:
                decided.take(told)
    return Log(tracked, closed, decided.decided(), travelled)


def _parsed(adapter: TypeAdapter[T], value: bytes | None) -> T | None:
    try:
        return adapter.validate_json(value or b"")
    except ValidationError:
        return None


def learn(log: Log, habits: Habits, policies: Mapping[str, Policy]) -> Learned | None:
    """What it shows under these policies (by tenant); None where nothing was tracked yet."""
    tracked, until = log.tracked, log.until
    if until is None:
        return None

    def policy_of(tenant: str) -> Policy:
        return policies.get(tenant) or policies[EVERYONE]

    messages, rates = firsts(tracked), answered(tracked)
    rows, how = came(log.decided, policy_of), ended(log.closed, tracked)
    found = {}
    for tenant in sorted({one.tenant for one in tracked} | {one.tenant for one in log.travelled}):
        policy = policy_of(tenant)
        days = policy.episodes.attribution_days
        experiments = {
            name: shown(list(running(one)), trials(messages.get((tenant, name), []), name, one.goal, policy, until))
            for name, one in policy.experiments.items()
        }
        for stage in Stage:
            name = f"{PREFIX}{stage}"
            if (weights := running_offers(policy, stage)) and (there := rows.get((tenant, name))):
                sent, held = (list(of_arms(there, tenant, arms, how, days, until)) for arms in ([TREATED], HELD_OUT))
                experiments[name] = shown(list(weights), sent, held)
        choices = {
            name: shown(variants, trials(messages[tenant, name], name, "kept", policy, until))
            for name, variants in BUILT_IN_EXPERIMENTS.items()
            if (tenant, name) in messages
        }
        hold = _hours(tracked, habits, tenant, policy, until) if policy.send_time else None
        programmes = {
            what: known
            for (whose, what), there in sorted(rows.items())
            if whose == tenant and not what.startswith(PREFIX) and (known := effects(there, tenant, how, days, until))
        }
        found[tenant] = Tenant(
            experiments, choices, rates.get(tenant, {}), hold, programmes, _passed(log, tenant, policy)
        )
    return Learned(until, found)


def _passed(log: Log, tenant: str, policy: Policy) -> dict[str, Passed]:
    """Of the stages of the tenant's journey, those in which enough leads have settled."""
    progress = Progress()
    progress.take(one.model_dump(mode="json") for one in log.travelled if one.tenant == tenant)
    found = {stage.name: progress.success(policy.name, stage.name) for stage in policy.journey.stages}
    return {name: Passed(settled=s.settled, through=s.through) for name, s in found.items() if s.share is not None}


def _hours(
    tracked: Sequence[InterventionTracked], habits: Habits, tenant: str, policy: Policy, until: datetime
) -> Hours:
    counts = {stage: ([0.0] * 24, [0.0] * 24) for stage in Stage}
    for one, answers in tried_hours(tracked, tenant, policy, until):
        hour = habits.hour_of(tenant, one.lead, one.commanded_at.timestamp())
        sent, back = counts[one.stage]
        sent[hour] += 1
        back[hour] += answers
    tried = {stage: Tried(*of_stage) for stage, of_stage in counts.items() if any(of_stage[0])}
    return hours(habits.activity.get(tenant, {}), tried, open_hours(*policy.quiet_hours.minutes))


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
        stage_hours={stage: hour for stage, (_, hour) in known.hours.stages.items() if hour is not None}
        if known.hours
        else {},
        journey=known.journey,
        hours={hour: tuple(sorted(names)) for hour, names in sorted(own.items())},
    )
