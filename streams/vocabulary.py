"""What each kind of event means: its family, whether it is a sign of life, the money and the mood it carries.

A *key* event is one the lead makes with intent; silence is the time since the last one. A tenant's policy may give
custom kinds a meaning and may override the built-in ones.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from schemas import events as e


class Family(IntEnum):
    """Nine families of events; the counters of a lead are kept by family."""

    BROWSE = 0
    INTENT = 1
    REPLY = 2
    VISIT = 3
    PURCHASE = 4
    TROUBLE = 5
    PAYMENT = 6
    UNANSWERED = 7
    OTHER = 8


class Kind(NamedTuple):
    """Meaning of one kind of event."""

    family: Family
    key: bool


class Meaning(NamedTuple):
    """What one event adds to the lead's row. `mood` is 0 (worst) to 1 (best), NaN when the event says nothing of it."""

    family: int
    key: bool
    cents: int
    mood: float


NO_MOOD = float("nan")
BUILT_IN: Mapping[str, Kind] = {
    "page_viewed": Kind(Family.BROWSE, key=False),
    "item_viewed": Kind(Family.BROWSE, key=True),
    "search_performed": Kind(Family.BROWSE, key=True),
    "session_ended": Kind(Family.BROWSE, key=True),
    "item_saved": Kind(Family.INTENT, key=True),
    "item_shared": Kind(Family.INTENT, key=True),
    "appointment_scheduled": Kind(Family.INTENT, key=True),
    "message_received": Kind(Family.REPLY, key=True),
    "survey_answered": Kind(Family.REPLY, key=True),
    "review_posted": Kind(Family.REPLY, key=True),
    "appointment_completed": Kind(Family.VISIT, key=True),
    "purchase_completed": Kind(Family.PURCHASE, key=True),
    "subscription_started": Kind(Family.PURCHASE, key=True),
    "subscription_renewed": Kind(Family.PURCHASE, key=True),
    "subscription_cancelled": Kind(Family.TROUBLE, key=False),
    "appointment_cancelled": Kind(Family.TROUBLE, key=False),
    "appointment_missed": Kind(Family.TROUBLE, key=False),
    "ticket_opened": Kind(Family.TROUBLE, key=True),
    "ticket_closed": Kind(Family.OTHER, key=False),
    "payment_failed": Kind(Family.PAYMENT, key=False),
    "refund_issued": Kind(Family.PAYMENT, key=False),
    "crm_stage_changed": Kind(Family.OTHER, key=False),
}
CONNECTED = Kind(Family.REPLY, key=True)
UNANSWERED = Kind(Family.UNANSWERED, key=False)
UNKNOWN_CUSTOM = Kind(Family.OTHER, key=False)


def meaning(event: e.Activity, custom: Mapping[str, Kind]) -> Meaning:
    """What an activity event means under a tenant's vocabulary. Total: every activity has a meaning."""
    kind = custom.get(event.type) or BUILT_IN.get(event.type)
    cents, mood = 0, NO_MOOD
    match event:
        case e.CallCompleted():
            kind = kind or (CONNECTED if event.outcome == "connected" else UNANSWERED)
        case e.Custom():
            kind = custom.get(event.kind, UNKNOWN_CUSTOM)
            cents = event.amount_cents or 0
        case e.PurchaseCompleted():
            cents = event.amount_cents
        case e.RefundIssued():
            cents = -event.amount_cents
        case e.SubscriptionStarted() | e.SubscriptionRenewed():
            cents = event.amount_cents or 0
        case e.SurveyAnswered():
            mood = event.score
        case e.ReviewPosted():
            mood = (event.stars - 1) / 4
    family, key = kind or UNKNOWN_CUSTOM
    return Meaning(int(family), key, cents, mood)
