"""What leads do, and what is done with them: the activity part of `lead.events`. Facts, in the past tense."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.units import Cents, Channel, Incoming, LeadId, MessageId, ShortText, TenantId, Text, UtcTime


class LeadMessage(Incoming):
    """Common to everything about one lead."""

    v: Literal[1] = 1
    id: MessageId
    tenant: TenantId
    lead: LeadId
    at: UtcTime
    source: ShortText | None = None


class PageViewed(LeadMessage):
    """The lead looked at a page."""

    type: Literal["page_viewed"]
    url: ShortText | None = None
    seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None


class ItemViewed(LeadMessage):
    """The lead looked at an item: a listing, a product, a service."""

    type: Literal["item_viewed"]
    item: ShortText


class ItemSaved(LeadMessage):
    """The lead kept an item for later."""

    type: Literal["item_saved"]
    item: ShortText


class ItemShared(LeadMessage):
    """The lead passed an item on."""

    type: Literal["item_shared"]
    item: ShortText


class SearchPerformed(LeadMessage):
    """The lead searched."""

    type: Literal["search_performed"]
    query: ShortText | None = None


class SessionEnded(LeadMessage):
    """A visit to site or app is over."""

    type: Literal["session_ended"]
    seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    pages: Annotated[int, Field(ge=0, le=100_000)] | None = None


class MessageReceived(LeadMessage):
    """The lead wrote to us, on any channel."""

    type: Literal["message_received"]
    channel: Channel | None = None
    text: Annotated[Text | None, Field(description="where the policy names its language, its mood is read from it")] = (
        None
    )
    in_reply_to: MessageId | None = None
    mood: Annotated[
        float | None,
        Field(ge=0, le=1, description="0 (worst) to 1 (best), where the sender knows it; goes before the text"),
    ] = None


class CallCompleted(LeadMessage):
    """A call with the lead was made or tried."""

    type: Literal["call_completed"]
    outcome: Literal["connected", "voicemail", "no_answer", "declined"]
    direction: Literal["inbound", "outbound"] = "outbound"
    seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None


class AppointmentScheduled(LeadMessage):
    """An appointment was agreed."""

    type: Literal["appointment_scheduled"]
    starts_at: UtcTime | None = None


class AppointmentCompleted(LeadMessage):
    """The lead came."""

    type: Literal["appointment_completed"]


class AppointmentCancelled(LeadMessage):
    """An appointment was called off."""

    type: Literal["appointment_cancelled"]
    by: Literal["lead", "us"] = "lead"


class AppointmentMissed(LeadMessage):
    """The lead did not come (no-show)."""

    type: Literal["appointment_missed"]


class PurchaseCompleted(LeadMessage):
    """The lead bought something."""

    type: Literal["purchase_completed"]
    amount_cents: Cents
    items: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class PaymentFailed(LeadMessage):
    """A payment did not go through."""

    type: Literal["payment_failed"]
    amount_cents: Cents | None = None


class RefundIssued(LeadMessage):
    """Money went back."""

    type: Literal["refund_issued"]
    amount_cents: Cents


class TicketOpened(LeadMessage):
    """The lead asked for support."""

    type: Literal["ticket_opened"]
    severity: Literal["low", "medium", "high"] = "medium"


class TicketClosed(LeadMessage):
    """A support request is done."""

    type: Literal["ticket_closed"]


class SurveyAnswered(LeadMessage):
    """A survey answer, scaled to 0 (worst) to 1 (best)."""

    type: Literal["survey_answered"]
    score: Annotated[float, Field(ge=0, le=1)]


class ReviewPosted(LeadMessage):
    """A public review, 1 to 5 stars."""

    type: Literal["review_posted"]
    stars: Annotated[int, Field(ge=1, le=5)]
    text: Annotated[
        Text | None,
        Field(description="where the policy names its language, its mood is read from it, beside the stars"),
    ] = None


class SubscriptionStarted(LeadMessage):
    """A contract began."""

    type: Literal["subscription_started"]
    amount_cents: Cents | None = None
    renews_at: UtcTime | None = None


class SubscriptionRenewed(LeadMessage):
    """A contract goes on."""

    type: Literal["subscription_renewed"]
    amount_cents: Cents | None = None
    renews_at: UtcTime | None = None


class SubscriptionCancelled(LeadMessage):
    """A contract was ended by the customer."""

    type: Literal["subscription_cancelled"]
    ends_at: UtcTime | None = None


class CrmStageChanged(LeadMessage):
    """The CRM moved the lead along its pipeline."""

    type: Literal["crm_stage_changed"]
    stage: ShortText
    direction: Literal["forward", "backward", "none"] = "none"


class Custom(LeadMessage):
    """Anything a tenant's policy gives a meaning to in its vocabulary, by `kind`."""

    type: Literal["custom"]
    kind: Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,64}$")]
    amount_cents: Cents | None = None


Activity = (
    PageViewed
    | ItemViewed
    | ItemSaved
    | ItemShared
    | SearchPerformed
    | SessionEnded
    | MessageReceived
    | CallCompleted
    | AppointmentScheduled
    | AppointmentCompleted
    | AppointmentCancelled
    | AppointmentMissed
    | PurchaseCompleted
    | PaymentFailed
    | RefundIssued
    | TicketOpened
    | TicketClosed
    | SurveyAnswered
    | ReviewPosted
    | SubscriptionStarted
    | SubscriptionRenewed
    | SubscriptionCancelled
    | CrmStageChanged
    | Custom
)
