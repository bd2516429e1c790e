"""What may enter `lead.events`: activity, receipts, orders of operators, ticks. One union, discriminated on `type`.

Facts are in the past tense, orders in the imperative. Every message carries `v` (1), `type`, `id`, `tenant`, `lead`
and `at` (when it happened); the key is `tenant:lead`. `tick` and `activate` belong to a partition instead of a lead,
`suppress_address` and `release_address` to an address.
An event sent twice with the same `id` counts once.
"""

from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, EmailStr, Field, TypeAdapter, field_validator, model_validator
from typing_extensions import TypeIs

from schemas.activity import (
    Activity,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentMissed,
    AppointmentScheduled,
    CallCompleted,
    CrmStageChanged,
    Custom,
    ItemSaved,
    ItemShared,
    ItemViewed,
    LeadMessage,
    MessageReceived,
    PageViewed,
    PaymentFailed,
    PurchaseCompleted,
    RefundIssued,
    ReviewPosted,
    SearchPerformed,
    SessionEnded,
    SubscriptionCancelled,
    SubscriptionRenewed,
    SubscriptionStarted,
    SurveyAnswered,
    TicketClosed,
    TicketOpened,
)
from schemas.orders import (
    AcknowledgeEscalation,
    ApproveIntervention,
    BeginCampaign,
    CancelInterventions,
    EraseLead,
    EscalateLead,
    OrderedAction,
    ReleaseAddress,
    ResolveEscalation,
    SnoozeEscalation,
    SuppressAddress,
    TriggerIntervention,
)
from schemas.units import (
    Cents,
    Channel,
    DeliveryStatus,
    Incoming,
    MessageId,
    Phone,
    Probability,
    ShortText,
    UtcTime,
    Version,
    Whose,
)

__all__ = [
    "EVENT",
    "AboutLead",
    "AcknowledgeEscalation",
    "Activate",
    "Activity",
    "AppointmentCancelled",
    "AppointmentCompleted",
    "AppointmentMissed",
    "AppointmentScheduled",
    "ApproveIntervention",
    "BeginCampaign",
    "CallCompleted",
    "CancelInterventions",
    "ConsentChanged",
    "Control",
    "CrmStageChanged",
    "Custom",
    "EraseLead",
    "EscalateLead",
    "Fact",
    "ItemSaved",
    "ItemShared",
    "ItemViewed",
    "LeadClosed",
    "LeadEvent",
    "LeadMessage",
    "MessageReceived",
    "Order",
    "OrderedAction",
    "PageViewed",
    "PaymentFailed",
    "ProfileUpdated",
    "PurchaseCompleted",
    "Receipt",
    "RefundIssued",
    "ReleaseAddress",
    "ResolveEscalation",
    "ReviewPosted",
    "SearchPerformed",
    "SessionEnded",
    "SnoozeEscalation",
    "SubscriptionCancelled",
    "SubscriptionRenewed",
    "SubscriptionStarted",
    "SuppressAddress",
    "SurveyAnswered",
    "Tick",
    "TicketClosed",
    "TicketOpened",
    "TriggerIntervention",
    "event_classes",
    "is_activity",
    "is_control",
]  # fmt: skip


class ProfileUpdated(LeadMessage):
    """What is known of the lead. Only the fields that are present change; an explicit null clears one."""

    type: Literal["profile_updated"]
    name: ShortText | None = None
    email: EmailStr | None = None
    phone: Phone | None = None
    timezone: Annotated[str, Field(max_length=64)] | None = None
    language: Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] | None = None
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")] | None = None
    owner: ShortText | None = None
    manager: ShortText | None = None
    value_cents: Cents | None = None
    preferred_channel: Channel | None = None

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str | None) -> str | None:
        """Refuse zones that no clock knows."""
        from zoneinfo import ZoneInfo  # noqa: PLC0415 - only profiles need it

        if value is not None:
            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError) as error:
                raise ValueError("is not an IANA time zone, like America/New_York") from error
        return value


class ConsentChanged(LeadMessage):
    """The lead allowed or forbade a channel. `channel: all` is an opt-out of everything."""

    type: Literal["consent_changed"]
    channel: Channel | Literal["all"]
    allowed: bool


class LeadClosed(LeadMessage):
    """The relationship ended, one way or the other."""

    type: Literal["lead_closed"]
    outcome: Literal["won", "lost", "churned"]
    reason: ShortText | None = None
    value_cents: Cents | None = None


class Receipt(LeadMessage):
    """What became of one intervention, as told by a courier or a provider."""

    type: Literal["receipt"]
    intervention: MessageId
    channel: Channel
    status: DeliveryStatus
    provider: ShortText | None = None
    provider_id: ShortText | None = None
    error: ShortText | None = None


class Tick(Incoming):
    """Time passes on one partition. Sent by the clock, or by a replay in event time.

    Leads whose turn came after `until` wait for the next tick. Without it everybody's turn has come, however many they are.
    """

    v: Literal[1] = 1
    type: Literal["tick"]
    id: MessageId
    partition: Annotated[int, Field(ge=0)]
    at: UtcTime
    until: UtcTime | None = None


class Activate(Incoming):
    """From here on, this partition is judged by another policy or model version, or starts or stops acting.

    In the inbox, so that a replay of the log, with the policy and model files it names, comes to every decision again.
    """

    v: Literal[1] = 1
    type: Literal["activate"]
    id: MessageId
    partition: Annotated[int, Field(ge=0)]
    at: UtcTime
    policy: Version | None = None
    model: Version | None = None
    weights: Version | None = None
    """What was learned, for experiments that learn."""
    acting: bool | None = None
    """False: watch only. Leads are assessed, but no episode opens and nothing is sent: for history and first days."""
    within_minutes: Annotated[
        float, Field(ge=0, le=1440, description="new versions: every lead is looked at again within so long")
    ] = 30.0
    share: Probability | None = None
    """Gradual rollout: the version judges this share of the leads, and no others; 0: none any more. Left out: all."""
    tenant: Whose = "*"
    """Whose leads a share is of; `*`: of every tenant that has no share of its own."""

    @model_validator(mode="after")
    def _share_of_one_thing(self) -> Self:
        if self.share is None and self.tenant != "*":
            raise ValueError("a tenant needs a share; 1 is all of its leads")
        if self.share is not None and (self.policy is None) == (self.model is None):
            raise ValueError("a share is of one version: name either a policy or a model")
        return self


Fact = Activity | ProfileUpdated | ConsentChanged | LeadClosed | Receipt
Order = (
    TriggerIntervention
    | BeginCampaign
    | ApproveIntervention
    | EscalateLead
    | AcknowledgeEscalation
    | SnoozeEscalation
    | ResolveEscalation
    | CancelInterventions
    | EraseLead
)
AboutLead = Fact | Order
Control = Tick | Activate | SuppressAddress | ReleaseAddress
LeadEvent = AboutLead | Control
EVENT: TypeAdapter[LeadEvent] = TypeAdapter(Annotated[LeadEvent, Field(discriminator="type")])
"""Built once: pydantic takes far longer to build an adapter than to parse an event."""


def event_classes() -> dict[str, type[BaseModel]]:
    """Every message type by its `type` tag."""
    return {get_args(c.model_fields["type"].annotation)[0]: c for c in get_args(LeadEvent)}


_ACTIVITY = frozenset(get_args(Activity))
_CONTROL = frozenset(get_args(Control))


def is_activity(event: LeadEvent) -> TypeIs[Activity]:
    """Whether the lead did something. By exact class: `isinstance` of a pydantic class costs a microsecond."""
    return type(event) in _ACTIVITY


def is_control(event: LeadEvent) -> TypeIs[Control]:
    """Whether the message is about a partition or an address, and not about a lead."""
    return type(event) in _CONTROL
