"""Playbooks: what a stage asks for, step by step."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.units import Channel, Hours, Priority, Stage
from streams.thresholds import Section


class Step(Section):
    """One step of a playbook."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
    action: Literal[
        "immediate_call", "personalised_email", "special_offer", "schedule_meeting",
        "property_recommendation", "market_update", "agent_escalation", "re_engagement_campaign",
    ]  # fmt: skip
    channel: Channel
    template: str
    delay_hours: Hours = 0.0
    within_hours: Annotated[float, Field(gt=0)] = 48.0
    fallback: tuple[Channel, ...] = ()
    priority: Priority = Priority.MEDIUM


class Playbook(Section):
    """What a stage asks for."""

    steps: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [s.name for s in self.steps]
        if len(set(names)) != len(names):
            raise ValueError("two steps have the same name")
        return self


class Playbooks(Section):
    """One playbook per stage."""

    early_warning: Playbook = Playbook()
    active_risk: Playbook = Playbook()
    critical_risk: Playbook = Playbook()

    def of(self, stage: Stage) -> Playbook:
        """The playbook of a stage; NONE has none."""
        return Playbook() if stage is Stage.NONE else getattr(self, stage.value)
