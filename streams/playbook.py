"""Which steps a stage asks for, and when."""

from schemas.units import Channel
from streams.features import HOUR
from streams.plays import Step
from streams.policy import Policy
from streams.record import Planned
from streams.stage import ORDER

MOST_ORDERED = 50
"""Steps that wait for their time by operators' orders; more are not taken on."""


def plan(policy: Policy, stage: int, entered: float, by: str = "") -> list[Planned]:
    """The steps of a stage's playbook with their times, counted from when the stage was entered (epoch seconds)."""
    return [
        Planned(
            stage=stage,
            step=step.name,
            channel=step.channel,
            due=entered + step.delay_hours * HOUR,
            expires=entered + (step.delay_hours + step.within_hours) * HOUR,
            by=by,
        )
        for step in policy.playbooks.of(ORDER[stage]).steps
    ]


def step_of(policy: Policy, planned: Planned) -> Step | None:
    """The step a plan speaks of; None when a later policy no longer has it."""
    return next((s for s in policy.playbooks.of(ORDER[planned.stage]).steps if s.name == planned.step), None)


def template_of(step: Step, channel: Channel) -> str:
    """The step's template for this channel: a fallback speaks in its own words (`x.email` by in_app is `x.in_app`)."""
    base = step.template.removesuffix(f".{step.channel}")
    return step.template if base == step.template else f"{base}.{channel}"


def fallback_of(step: Step, tried: set[Channel]) -> Channel | None:
    """The next channel of the step that was not tried yet."""
    return next((c for c in step.fallback if c not in tried), None)
