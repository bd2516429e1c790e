"""A person is asked to step in: `escalations`."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.assessments import Reason, TimeToChurn
from schemas.units import Cents, Channel, LeadId, MessageId, Outgoing, Priority, Probability, Stage, TenantId, UtcTime

EscalationStatus = Literal[
    "open", "repeated", "passed_on", "snoozed", "reopened", "acknowledged", "unanswered", "resolved"
]
"""`repeated`: asked again while open; `passed_on`: not acknowledged in time, so the next is asked; `reopened`: a snooze is over;
`unanswered`: nobody of the chain acknowledged, and a task is made of it."""


class PastIntervention(Outgoing):
    """One earlier attempt, newest first."""

    intervention: MessageId
    at: UtcTime
    channel: Channel
    step: str
    status: str
    outcome: str


class RiskAt(Outgoing):
    """The risk as it was told at a time."""

    at: UtcTime
    probability: Probability


class Trend(Outgoing):
    """How the risk has moved: from right after the lead's newest event over the last assessments of the episode, at most six."""

    direction: Annotated[
        Literal["rising", "falling", "steady"], Field(description="which way it has moved last, by 0.02 or more")
    ]
    change: Annotated[float, Field(description="of the probability, from the first to the last of them")]
    days: Annotated[float, Field(ge=0, description="between these two")]
    course: Annotated[tuple[RiskAt, ...], Field(min_length=2, max_length=6)]


class LeadEscalated(Outgoing):
    """Everything a manager needs to act without opening another screen."""

    v: Literal[1] = 1
    type: Literal["lead_escalated"] = "lead_escalated"
    id: MessageId
    tenant: TenantId
    lead: LeadId
    at: UtcTime
    status: EscalationStatus
    target: str
    reason: str
    urgency: Priority
    probability: Probability
    stage: Stage
    time_to_churn: Annotated[TimeToChurn | None, Field(description="null: this version has no model of it")] = None
    trend: Annotated[Trend | None, Field(description="null: nothing earlier is known to compare with")] = None
    reasons: tuple[Reason, ...] = ()
    name: str | None = None
    value_cents: Annotated[Cents | None, Field(description="what the lead is worth; null: not known")] = None
    value_source: Annotated[
        Literal["profile", "predicted"] | None,
        Field(description="where value_cents is from; predicted: what it is likely still to spend, by its purchases"),
    ] = None
    history: Annotated[tuple[PastIntervention, ...], Field(max_length=10)] = ()
    unwanted: Annotated[
        str | None, Field(description="what the lead does not want: to be contacted at all, or to be phoned")
    ] = None
    recommended: Annotated[
        tuple[str, ...],
        Field(
            description="actions that its stage's playbook still has, most promising first; where it has none, the next stage's"
        ),
    ] = ()
    opened_at: UtcTime
    acknowledge_by: UtcTime | None = None
    acknowledged_at: UtcTime | None = None
    snoozed_until: UtcTime | None = None
    asked: Annotated[tuple[str, ...], Field(description="who was asked so far, in order")] = ()
    repeats: Annotated[int, Field(ge=0, description="how often the same was asked again while it was open")] = 0
    by: Annotated[str | None, Field(description="who ordered, acknowledged, snoozed or resolved it")] = None
    note: Annotated[str | None, Field(description="why it was snoozed, or who was passed over, and why")] = None
    outcome: str | None = None
    episode: Annotated[int, Field(ge=0)]
    policy_version: str
