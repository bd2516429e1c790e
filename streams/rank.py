"""Which of several steps goes first: by what it is expected to bring, and how soon its time is over."""

from schemas.decisions import Rank
from streams.features import HOUR
from streams.plays import Step
from streams.policy import Policy
from streams.record import Planned, Profile


def rank(step: Step, planned: Planned, policy: Policy, *, value_cents: float, risk: float, now: float) -> Rank:
    """Expected value x urgency of a step, with what it was worked out from.

    Expected value (cents) = risk x effect x value of the lead - cost: what is saved if the lead would go quiet and the
    step keeps it. Urgency = 1 / hours until the step expires, at least one hour.

    Args:
        step: as the policy has it.
        planned: the same step, waiting.
        policy: for the channel's cost.
        value_cents: what the lead is worth.
        risk: probability of going quiet, as last published.
        now: epoch seconds.
    """
    cost = cost_of(step, planned, policy)
    hours = max((planned.expires - now) / HOUR, 1.0)
    score = (risk * step.effect * value_cents - cost) / hours
    return Rank(
        value_cents=round(value_cents),
        effect=step.effect,
        cost_cents=cost,
        hours_left=round(hours, 2),
        score=round(score, 2),
    )


def worth(profile: Profile, policy: Policy, spent_cents: float) -> float:
    """What the lead is worth in cents: as its profile says, else the more of what it has spent and the tenant's usual value."""
    if profile.value_cents is not None:
        return float(profile.value_cents)
    return max(spent_cents, float(policy.lead_value_cents or 0), 0.0)


def cost_of(step: Step, planned: Planned, policy: Policy) -> float:
    """What the step costs in cents: its channel, and the work or gift that goes with it."""
    return policy.channels[planned.channel].cost_cents + step.cost_cents
