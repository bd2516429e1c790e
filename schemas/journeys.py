"""Where a lead is on its journey, told at each change of it, on `analytics.outcomes`."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.units import Action, Days, LeadId, MessageId, Outgoing, Probability, TenantId, UtcTime


class Chance(Outgoing):
    """How many of a tenant's leads that settled in the stage got through it, as measured by the last night."""

    share: Probability
    low: Annotated[Probability, Field(description="of its 95 % interval")]
    high: Probability
    settled: Annotated[int, Field(ge=1, description="leads that moved on, back, or got stuck")]


class StageLeft(Outgoing):
    """The stage a lead came from."""

    stage: str
    entered_at: UtcTime
    expected_exit_at: UtcTime | None
    days: Days
    skipped: Annotated[tuple[str, ...], Field(description="stages passed over on the way")] = ()


class JourneyProgressed(Outgoing):
    """A lead moved on or back, reached a milestone, met a blocker, or is stuck; all of where it is now."""

    v: Literal[1] = 1
    type: Literal["journey_progressed"] = "journey_progressed"
    id: MessageId
    tenant: TenantId
    lead: LeadId
    at: UtcTime
    change: Literal["moved_on", "moved_back", "milestone", "blocked", "stalled"]
    cause: Annotated[str, Field(description="kind of event; `time` for a stall")]
    journey: Annotated[str, Field(description="name of the policy that has it")]
    stage: str
    order: Annotated[int, Field(ge=1, description="1 is the first")]
    of: Annotated[int, Field(ge=1, description="how many stages there are")]
    entered_at: UtcTime
    expected_exit_at: UtcTime | None
    left: Annotated[StageLeft | None, Field(description="when the lead moved")] = None
    completion: Annotated[Probability, Field(description="share of milestones, and of success, behind the lead")]
    milestones: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    stalled: Annotated[bool, Field(description="longer in the stage than is good")] = False
    satisfaction: Probability | None = None
    next_action: Action | None = None
    success: Annotated[Chance | None, Field(description="chance to get through the stage; null: not enough data")] = (
        None
    )
    success_estimate: Annotated[Probability | None, Field(description="as the policy states it, not measured")] = None
    estimate_source: str | None = None
    policy_version: str
