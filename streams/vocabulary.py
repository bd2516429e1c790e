"""What each kind of event means: its family, whether it is a sign of life, the money and the mood it carries.

A *key* event is one the lead makes with intent; silence is the time since the last one. A tenant's policy may give
custom kinds a meaning and may override the built-in ones.
"""

import json
from collections.abc import Callable, Mapping
from enum import IntEnum
from hashlib import sha256
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
ReadMood = Callable[[str], float]
"""Text -> mood, 0 (worst) to 1 (best); NaN where the text says nothing of it. Handed in, by language (`Env.moods`)."""
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
_SAYS_MORE = {
    "purchase_completed", "refund_issued", "subscription_started", "subscription_renewed", "survey_answered",
    "review_posted",
}  # fmt: skip
_PLAIN = {name: Meaning(int(k.family), k.key, 0, NO_MOOD) for name, k in BUILT_IN.items() if name not in _SAYS_MORE}
"""Most events mean the same every time; looking it up costs a fifth of working it out."""
_MESSAGE = _PLAIN["message_received"]


def meaning(event: e.Activity, custom: Mapping[str, Kind], read_mood: ReadMood | None = None) -> Meaning:  # noqa: C901 - a table
    """What an activity event means under a tenant's vocabulary. Total: every activity has a meaning.

    Args:
        event: what happened.
        custom: meanings that the tenant gives, or overrides.
        read_mood: reads texts in the tenant's language; None: nobody reads them.
    """
    name = event.type
    plain = _PLAIN.get(name)
    if plain is not None and name not in custom:
        if plain is not _MESSAGE:
            return plain
        mood = _mood_of(event, read_mood)
        return plain if mood is NO_MOOD else plain._replace(mood=mood)
    kind = custom.get(name) or BUILT_IN.get(name)
    cents, mood = 0, NO_MOOD
    match event:
        case e.MessageReceived():
            mood = _mood_of(event, read_mood)
        case e.PurchaseCompleted():
            cents = event.amount_cents
        case e.Custom():
            kind = custom.get(event.kind, UNKNOWN_CUSTOM)
            cents = event.amount_cents or 0
        case e.CallCompleted():
            kind = kind or (CONNECTED if event.outcome == "connected" else UNANSWERED)
        case e.RefundIssued():
            cents = -event.amount_cents
        case e.SubscriptionStarted() | e.SubscriptionRenewed():
            cents = event.amount_cents or 0
        case e.SurveyAnswered():
            mood = event.score
        case e.ReviewPosted():
            mood = _mood_of_review(event, read_mood)
    family, key = kind or UNKNOWN_CUSTOM
    return Meaning(int(family), key, cents, mood)


def vocabulary_version(custom: Mapping[str, Kind], language: str | None = None) -> str:
    """Names what events mean under a tenant's vocabulary, as 12 hexadecimal digits: others would make other features.

    Args:
        custom: meanings that the tenant gives, or overrides.
        language: in which texts are read; None: they are not.
    """
    kinds = {name: (int(kind.family), kind.key) for name, kind in {**BUILT_IN, **custom}.items()}
    return sha256(json.dumps([sorted(kinds.items()), language or ""]).encode()).hexdigest()[:12]


def _mood_of_review(event: e.ReviewPosted, read_mood: ReadMood | None) -> float:
    """The stars; where somebody reads the text and finds a mood in it, halfway between the two.

    Stars are five steps and mostly the outer ones; "two stars, but they did call back at once" is no 0.25.
    """
    stars = (event.stars - 1) / 4
    told = read_mood(event.text) if read_mood is not None and event.text else NO_MOOD
    return stars if told != told else (stars + told) / 2  # noqa: PLR0124 - NaN


def _mood_of(event: e.Activity, read_mood: ReadMood | None) -> float:
    """The sender's word, else what the text says where somebody reads it."""
    assert type(event) is e.MessageReceived
    if event.mood is not None:
        return event.mood
    return read_mood(event.text) if read_mood is not None and event.text else NO_MOOD
