"""What came of it: lifecycle and final outcome of every intervention and churn episode, on `analytics.outcomes`."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.journeys import JourneyProgressed
from schemas.units import (
    Cents,
    Channel,
    DeliveryStatus,
    LeadId,
    MessageId,
    Outgoing,
    Probability,
    Stage,
    TenantId,
    UtcTime,
)
from schemas.weights import Drawn


class Outcome(StrEnum):
    """What the lead did after an intervention."""

    RE_ENGAGED = "re_engaged"
    CONVERTED = "converted"
    CHURNED = "churned"
    IGNORED = "ignored"
    FAILED = "failed"
    PENDING_RESPONSE = "pending_response"
    IN_PROGRESS = "in_progress"
    UNKNOWN = "unknown"


class InterventionTracked(Outgoing):
    """One intervention, updated at each change and closed once."""

    v: Literal[1] = 1
    type: Literal["intervention_tracked"] = "intervention_tracked"
    id: MessageId
    tenant: TenantId
    lead: LeadId
    at: UtcTime
    intervention: MessageId
    episode: Annotated[int, Field(ge=0, description="0: of a campaign")]
    stage: Stage
    step: str
    campaign: str | None = None
    channel: Channel
    arm: Literal["treated", "holdout"]
    commanded_at: UtcTime
    status: DeliveryStatus
    outcome: Outcome
    final: bool
    engaged: bool
    success_score: Annotated[
        Probability, Field(description="0.20 delivered + 0.30 engaged + 0.25 responded + 0.25 churn prevented")
    ]
    cost_cents: Annotated[float, Field(ge=0)]
    hours: Annotated[float, Field(ge=0, description="from command to this change")]
    policy_version: str
    drawn: Annotated[tuple[Drawn, ...], Field(description="in experiments that it was part of")] = ()


class EpisodeClosed(Outgoing):
    """One churn episode, from its first stage to its end. Saved leads and revenue count here, once."""

    v: Literal[1] = 1
    type: Literal["episode_closed"] = "episode_closed"
    id: MessageId
    tenant: TenantId
    lead: LeadId
    at: UtcTime
    episode: Annotated[int, Field(ge=1)]
    opened_at: UtcTime
    peak_stage: Stage
    peak_probability: Probability
    outcome: Literal["re_engaged", "converted", "churned", "expired"]
    arm: Literal["treated", "holdout"]
    interventions: Annotated[int, Field(ge=0)]
    cost_cents: Annotated[float, Field(ge=0)]
    value_cents: Cents
    policy_version: str


Tracked = InterventionTracked | EpisodeClosed | JourneyProgressed
TRACKED: TypeAdapter[Tracked] = TypeAdapter(Annotated[Tracked, Field(discriminator="type")])
