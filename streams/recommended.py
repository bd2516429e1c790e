"""What a person who looks after a lead is advised to do: what its playbook still has, without what may not be done.

Of the stage's playbook, the steps that did not go out yet in this episode, whether they wait for their time or for something
to be heard; where nothing of it is left, the next stage's. A step is left out that by none of its channels could go out: for
want of consent or of an address, or because it asks for a call that the lead does not want. What is expected to bring most
comes first: risk x effect x value of the lead - cost, as the arbiter weighs it (`rank`); the effect alone where nothing is
known of its value, for then each step would bring only its cost. Of equals, the playbook's order counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.calls import is_call, unwanted
from streams.consent import address_of, refuses
from streams.offering import priced
from streams.rank import worth
from streams.stage import ORDER

if TYPE_CHECKING:
    from schemas.units import Channel
    from streams.plays import Step
    from streams.rules import Case


def recommended_of(case: Case, risk: float) -> tuple[str, ...]:
    """Actions, the most promising first, each once.

    Args:
        case: the lead, in the stage that it is now in.
        risk: its probability of going quiet.
    """
    for stage in range(case.stage, len(ORDER) if case.stage else 0):
        steps = [s for s in case.policy.playbooks.of(ORDER[stage]).steps if _left(case, s, stage) and _may(case, s)]
        if steps:
            value = worth(case.record.profile, case.policy, float(case.signs["cents"]))
            best_first = sorted(steps, key=lambda step: -_expected(case, step, stage, risk, value))
            return tuple(dict.fromkeys(step.action for step in best_first))
    return ()


def _left(case: Case, step: Step, stage: int) -> bool:
    episode = case.record.episode
    return episode is None or not any(
        i.step == step.name
        and i.stage == stage
        and i.episode == episode.number
        and not (i.campaign or i.held_out or i.withdrawn)
        for i in case.record.interventions
    )


def _may(case: Case, step: Step) -> bool:
    return any(_may_by(case, step, channel) for channel in (step.channel, *step.fallback))


def _may_by(case: Case, step: Step, channel: Channel) -> bool:
    policy, record = case.policy, case.record
    if (rule := policy.channels.get(channel)) is None:
        return False
    if rule.contacts_lead and refuses(channel, rule.consent, record.consent, record.suppressed):
        return False
    if is_call(policy, step.action, channel) and unwanted(policy, record.consent, record.suppressed):
        return False
    return address_of(channel, record.profile, case.lead, policy.escalation.target) is not None


def _expected(case: Case, step: Step, stage: int, risk: float, value_cents: float) -> float:
    if not value_cents:
        return step.effect
    cost = case.policy.channels[step.channel].cost_cents if step.channel in case.policy.channels else 0.0
    return risk * step.effect * value_cents - cost - priced(case, step, stage).cost_cents
