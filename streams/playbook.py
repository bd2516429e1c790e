"""Which steps a stage or a campaign asks for, and when."""

from collections.abc import Callable, Sequence

from schemas.events import OrderedAction
from schemas.units import Channel
from streams.features import HOUR
from streams.plays import Step
from streams.policy import Policy
from streams.record import UNANSWERED, Intervention, Planned
from streams.stage import ORDER

MOST_ORDERED = 50
"""Steps that wait for their time by operators' orders; more are not taken on."""

FirstOf = Callable[[Step, int], Channel]
"""By which channel a step begins, at a stage."""


def _as_written(step: Step, _: int) -> Channel:
    return step.channel


def plan(
    policy: Policy,
    stage: int,
    entered: float,
    by: str = "",
    first_of: FirstOf = _as_written,
) -> list[Planned]:
    """The steps of a stage's playbook that wait for nothing, with their times, counted from when it was begun (epoch seconds)."""
    return _at_once(policy.playbooks.of(ORDER[stage]).steps, stage, entered, first_of, by=by)


def plan_campaign(
    policy: Policy, name: str, run: int, stage: int, begun: float, first_of: FirstOf = _as_written
) -> list[Planned]:
    """The steps of a campaign that wait for nothing, with their times, counted from when it was begun (epoch seconds)."""
    return _at_once(policy.campaigns[name].steps, stage, begun, first_of, campaign=name, run=run)


def _at_once(
    steps: Sequence[Step],
    stage: int,
    begun: float,
    first_of: FirstOf,
    *,
    by: str = "",
    campaign: str = "",
    run: int = 0,
) -> list[Planned]:
    """Those of the steps that wait for nothing."""
    return [
        Planned(
            stage=stage,
            step=step.name,
            channel=first_of(step, stage),
            due=begun + step.delay_hours * HOUR,
            expires=begun + (step.delay_hours + step.within_hours) * HOUR,
            by=by,
            campaign=campaign,
            run=run,
        )
        for step in steps
        if step.after is None
    ]


def plan_ordered(actions: Sequence[OrderedAction], stage: int, now: float, by: str) -> list[Planned]:
    """The actions that an operator ordered in place of a playbook's steps."""
    return [
        Planned(
            stage=stage,
            step=f"ordered_{i}",
            channel=own.channel,
            due=now + own.delay_hours * HOUR,
            expires=now + (own.delay_hours + own.within_hours) * HOUR,
            by=by,
            action=own.action,
            template=own.template,
        )
        for i, own in enumerate(actions, 1)
    ]


def step_of(policy: Policy, planned: Planned) -> Step | None:
    """The step a plan speaks of; None when the policy in force has no such step, or not by its channel."""
    if planned.channel not in policy.channels:
        return None
    if planned.action:
        own = {"name": planned.step, "action": planned.action, "channel": planned.channel, "template": planned.template}
        return Step.model_validate(own)
    step = next((s for s in steps_beside(policy, planned) if s.name == planned.step), None)
    return step if step is not None and planned.channel in (step.channel, *step.fallback) else None


def steps_beside(policy: Policy, one: Planned | Intervention) -> Sequence[Step]:
    """All steps of the playbook or campaign that a step, or what was sent by it, belongs to."""
    if one.campaign:
        campaign = policy.campaigns.get(one.campaign)
        return campaign.steps if campaign else ()
    return policy.playbooks.of(ORDER[one.stage]).steps


def template_of(step: Step, channel: Channel) -> str:
    """The step's template for this channel: a fallback speaks in its own words (`x.email` by in_app is `x.in_app`)."""
    base = step.template.removesuffix(f".{step.channel}")
    return step.template if base == step.template else f"{base}.{channel}"


def ordered(planned: Planned) -> bool:
    """Whether an operator ordered it, and not a rule of ours."""
    return bool(planned.by) and planned.step != UNANSWERED
