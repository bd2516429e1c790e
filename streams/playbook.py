"""Which steps a stage asks for, and when."""

from collections.abc import Callable, Sequence

from schemas.events import OrderedAction
from schemas.units import Channel
from streams.features import HOUR
from streams.plays import Step
from streams.policy import Policy
from streams.record import UNANSWERED, Planned
from streams.stage import ORDER

MOST_ORDERED = 50
"""Steps that wait for their time by operators' orders; more are not taken on."""


def plan(
    policy: Policy,
    stage: int,
    entered: float,
    by: str = "",
    first_of: Callable[[Step, int], Channel] = lambda step, _: step.channel,
) -> list[Planned]:
    """The steps of a stage's playbook that wait for nothing, with their times, counted from when it was begun (epoch seconds).

    `first_of` says by which channel a step of that stage begins.
    """
    return [
        Planned(
            stage=stage,
            step=step.name,
            channel=first_of(step, stage),
            due=entered + step.delay_hours * HOUR,
            expires=entered + (step.delay_hours + step.within_hours) * HOUR,
            by=by,
        )
        for step in policy.playbooks.of(ORDER[stage]).steps
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
    """The step a plan speaks of; None when the policy in force has no such step, or not its channel."""
    if planned.action:
        if planned.channel not in policy.channels:
            return None
        own = {"name": planned.step, "action": planned.action, "channel": planned.channel, "template": planned.template}
        return Step.model_validate(own)
    return next((s for s in policy.playbooks.of(ORDER[planned.stage]).steps if s.name == planned.step), None)


def template_of(step: Step, channel: Channel) -> str:
    """The step's template for this channel: a fallback speaks in its own words (`x.email` by in_app is `x.in_app`)."""
    base = step.template.removesuffix(f".{step.channel}")
    return step.template if base == step.template else f"{base}.{channel}"


def ordered(planned: Planned) -> bool:
    """Whether an operator ordered it, and not a rule of ours."""
    return bool(planned.by) and planned.step != UNANSWERED
