"""A person is asked to step in: `escalations`."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.assessments import Reason
from schemas.units import Cents, Channel, LeadId, MessageId, Outgoing, Priority, Probability, Stage, TenantId, UtcTime


class PastIntervention(Outgoing):
    """One earlier attempt, newest first."""

    intervention: MessageId
    at: UtcTime
    channel: Channel
    step: str
    status: str
    outcome: str


class LeadEscalated(Outgoing):
    """Everything a manager needs to act without opening another screen."""

    v: Literal[1] = 1
    type: Literal["lead_escalated"] = "lead_escalated"
    id: MessageId
    tenant: TenantId
    lead: LeadId
    at: UtcTime
    status: Literal["open", "acknowledged", "resolved"]
    target: str
    reason: str
    urgency: Priority
    probability: Probability
    stage: Stage
    time_to_churn: str
    reasons: tuple[Reason, ...] = ()
    name: str | None = None
    value_cents: Cents | None = None
    history: Annotated[tuple[PastIntervention, ...], Field(max_length=10)] = ()
    recommended: tuple[str, ...] = ()
    acknowledge_by: UtcTime
    by: str | None = None
    outcome: str | None = None
    episode: Annotated[int, Field(ge=0)]
    policy_version: str
