"""The journey a policy sees its leads on, from prospect to advocate: stages in order, what moves a lead on, what holds it up."""

from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, model_validator

from schemas.units import Action, Days, Probability
from streams.thresholds import Section

StageName = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
Kinds = Annotated[tuple[str, ...], Field(max_length=12)]
"""Kinds of events: built-in types, kinds of the vocabulary, and `closed_won`, `closed_lost`, `closed_churned`."""
CLOSED = ("closed_won", "closed_lost", "closed_churned")
"""What closing a lead is called where kinds of events are named."""
STALLED = 2.0
"""Times the typical days after which a lead counts as stuck in a stage, where the policy names no days."""


class JourneyStage(Section):
    """One stage of the journey."""

    name: StageName
    done_on: Kinds = Field(default=(), description="success: any of these, and the lead enters the next stage")
    milestones: Kinds = Field(
        default=(), description="steps on the way; completion is the share of them, and of done_on"
    )
    blockers: Kinds = Field(default=(), description="risk indicators: told while the lead is in the stage")
    back_on: Kinds = Field(default=(), description="any of these, and the lead is back in the stage before")
    typical_days: Annotated[Days, Field(gt=0)] | None = None
    stalled_after_days: Annotated[Days, Field(gt=0)] | None = Field(
        default=None, description="left out: twice the typical days"
    )
    next_action: Action | None = Field(default=None, description="what brings a lead on from here")
    unblock: dict[str, Action] = Field(
        default={}, description="what helps against a blocker, or towards a milestone that is missing; else next_action"
    )
    success_estimate: Probability | None = Field(
        default=None, description="share of leads that get through, while the log cannot tell"
    )
    estimate_source: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _says_where_from(self) -> Self:
        if (self.success_estimate is None) != (self.estimate_source is None):
            raise ValueError("an estimate needs its source: set success_estimate and estimate_source, or neither")
        if unknown := [kind for kind in self.unblock if kind not in (*self.blockers, *self.milestones)]:
            raise ValueError(f"unblock names {', '.join(unknown)}: add it to blockers or milestones of the stage")
        return self

    @property
    def stalls_after(self) -> float | None:
        """Days in the stage after which a lead counts as stuck; None: never."""
        if self.stalled_after_days is not None:
            return self.stalled_after_days
        return self.typical_days * STALLED if self.typical_days is not None else None

    def keeps(self, name: str) -> bool:
        """Whether something is kept of an event of this kind that moves nothing."""
        return name in self.milestones or name in self.blockers

    @property
    def kinds(self) -> frozenset[str]:
        """All that it listens to."""
        return frozenset((*self.done_on, *self.milestones, *self.blockers, *self.back_on))


class Journey(Section):
    """The stages in their order. Every lead begins in the first; of that nothing is kept until something is heard."""

    stages: Annotated[tuple[JourneyStage, ...], Field(max_length=20)] = ()
    follow_crm: bool = Field(
        default=False, description="crm_stage_changed moves the lead to the stage of that name, also back"
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if len(self.index) < len(self.stages):
            raise ValueError("two stages of the journey have the same name")
        return self

    @cached_property
    def index(self) -> dict[str, int]:
        """Where each stage stands."""
        return {stage.name: i for i, stage in enumerate(self.stages)}

    @cached_property
    def kinds(self) -> frozenset[str]:
        """All that the journey listens to."""
        crm = {"crm_stage_changed"} if self.follow_crm else set[str]()
        return frozenset(crm.union(*(stage.kinds for stage in self.stages)))
