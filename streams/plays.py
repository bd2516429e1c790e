"""Playbooks: what a stage asks for, step by step; what a step waits for, and what ends the whole."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.units import Action, Channel, Hours, Priority, Probability, Stage
from streams.thresholds import Section

StepName = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
DECIDED = ("sent", "held")
"""What may become of a step by itself; held: nothing went out by any of its channels."""
RECEIPTS = ("delivered", "opened", "clicked", "responded", "failed", "bounced")
"""What may be said of its message; failed and bounced: by the last of its channels."""


class After(Section):
    """What a step waits for: a word about another step (sent, held, or a receipt), or an event of the lead.

    With `on`, the step begins when one of the words is heard in time, and is dropped otherwise. With `unless` it is the
    other way round: heard in time, the step is dropped, else it begins when the time is over. Two steps that wait for the
    same words, one `on` and one `unless`, are a branch.
    """

    step: StepName
    on: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    within_hours: Annotated[float, Field(gt=0)] = Field(
        default=48.0, description="from when that step was sent or held"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.on) == bool(self.unless):
            raise ValueError("say either on or unless, with at least one word")
        return self


class Step(Section):
    """One step of a playbook. Its delay counts from when its playbook, or what it waits for, let it begin."""

    name: StepName
    action: Action
    channel: Channel
    template: str
    delay_hours: Hours = 0.0
    within_hours: Annotated[float, Field(gt=0)] = 48.0
    after: After | None = None
    fallback: tuple[Channel, ...] = ()
    choose: bool = Field(
        default=False, description="begin with the one of channel and fallback that the lead prefers, or answers most"
    )
    priority: Priority = Priority.MEDIUM
    effect: Probability = Field(default=0.1, description="chance that it keeps a lead that would go quiet, for ranking")
    cost_cents: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="work or a gift, beyond what the channel costs"
    )


def _names_differ(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    if len({s.name for s in steps}) != len(steps):
        raise ValueError("two steps have the same name")
    return steps


Steps = Annotated[tuple[Step, ...], AfterValidator(_names_differ)]


class Playbook(Section):
    """What a stage asks for. A conversion, closing, an erasure and the end of the episode always end it."""

    steps: Steps = ()
    stop_on: frozenset[Literal["recovery", "reply", "opt_out"]] = Field(
        default=frozenset({"recovery"}),
        description="recovery: any sign of life; reply: an answer of any kind; opt_out: of everything, also for staff",
    )
    holdout: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.0,
        description="share of leads for which this playbook is only written down, besides the holdout of all",
    )
    hand_on_after_hours: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="not stopped by then: the next stage's playbook begins; after the last, a person is asked",
    )


NO_PLAYBOOK = Playbook()


class Playbooks(Section):
    """One playbook per stage."""

    early_warning: Playbook = Playbook()
    active_risk: Playbook = Playbook()
    critical_risk: Playbook = Playbook()

    def of(self, stage: Stage) -> Playbook:
        """The playbook of a stage; NONE has none."""
        return NO_PLAYBOOK if stage is Stage.NONE else getattr(self, stage)
