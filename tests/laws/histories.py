"""Generated histories: two tenants, a few leads, every kind of message, silence, late events, duplicates, garbage."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from hypothesis import settings
from hypothesis import strategies as st

from streams.env import Env
from streams.lead import Message
from streams.stage import ORDER
from tests.laws.heard import Listener
from tests.laws.world import ENV, LEADS, ON_THE_WAY
from tests.worlds import START, message

SPACING = 16
"""Offsets are this far apart, so that something can be put in between without moving anything else."""
ACTIVITIES: tuple[dict[str, Any], ...] = (
    {"type": "page_viewed", "seconds": 12.5},
    {"type": "item_viewed", "item": "x"},
    {"type": "item_saved", "item": "x"},
    {"type": "item_shared", "item": "x"},
    {"type": "search_performed"},
    {"type": "session_ended", "pages": 3},
    {"type": "message_received", "channel": "email"},
    {"type": "call_completed", "outcome": "connected"},
    {"type": "call_completed", "outcome": "no_answer"},
    {"type": "appointment_scheduled"},
    {"type": "appointment_completed"},
    {"type": "appointment_cancelled"},
    {"type": "appointment_missed"},
    {"type": "purchase_completed", "amount_cents": 4_999},
    {"type": "payment_failed"},
    {"type": "refund_issued", "amount_cents": 1_999},
    {"type": "ticket_opened"},
    {"type": "ticket_closed"},
    {"type": "survey_answered", "score": 0.25},
    {"type": "review_posted", "stars": 4},
    {"type": "subscription_started", "amount_cents": 900},
    {"type": "subscription_renewed"},
    {"type": "subscription_cancelled"},
    {"type": "crm_stage_changed", "stage": "deciding"},
    {"type": "custom", "kind": "demo_watched"},
)
PROFILES: tuple[dict[str, Any], ...] = (
    {"email": "ann@harbour-homes.com", "timezone": "Europe/Berlin", "name": "Ann"},
    {"email": None, "owner": "kim", "preferred_channel": "in_app"},
    {"email": "bo@harbour-homes.com", "timezone": "Asia/Tokyo", "value_cents": 12_000_00},
    {"timezone": None, "manager": "lee", "phone": "+14155550132", "region": "US-CA"},
    {"timezone": None, "phone": None, "region": "DE-BY"},
    {},
)
CONSENTS: tuple[dict[str, Any], ...] = (
    {"channel": "all", "allowed": False},
    {"channel": "phone", "allowed": False},
    {"channel": "email", "allowed": False},
    {"channel": "all", "allowed": True},
    {"channel": "in_app", "allowed": False},
    {"channel": "email", "allowed": True},
)
ACTIVATIONS: tuple[dict[str, Any], ...] = (
    {"policy": "2"},
    {"policy": ""},
    {"acting": False},
    {"acting": True},
    {"model": "rule-2"},
    {"policy": "2", "share": 0.5},
    {"model": "stern", "share": 0.5, "within_minutes": 600},
    {"model": "stern", "share": 1.0, "tenant": "busy"},
    {"policy": "2", "share": 0.0},
    {"weights": "w1"},
    {"weights": "w2"},
    {"model": "stern", "share": 0.0, "tenant": "busy"},
)
OWN: tuple[dict[str, Any], ...] = (
    {"action": "special_offer", "channel": "email", "template": "critical_risk.email", "within_hours": 96},
    {"action": "special_offer", "channel": "in_app", "template": "critical_risk.in_app", "delay_hours": 3},
    {"action": "market_update", "channel": "email", "template": "early_warning.email"},
    {"action": "immediate_call", "channel": "crm_task", "template": "critical_risk.crm_task"},
)
MOST = 3
"""Of what was sent or asked last, so many are spoken of at once."""
NOBODYS = ("int-0", "email")
"""An id that there is not, and its channel: what is said of it changes nothing."""
SETTLING: dict[str, dict[str, Any]] = {
    "acknowledge": {"type": "acknowledge_escalation"},
    "snooze": {"type": "snooze_escalation", "reason": "on holiday"},
    "resolve": {"type": "resolve_escalation", "outcome": "called"},
}
STATUSES = ("delivered", "failed", "bounced", "opened", "responded", "queued", "clicked")
GARBAGE: tuple[bytes, ...] = (b"{", b"[]", b"\xff", b'{"type":"nope"}', b'{"v":1,"type":"page_viewed","id":"g"}')
KINDS = (
    *["activity"] * 8, *["wait"] * 8, *["receipts"] * 3, *["trigger"] * 2, *["consent"] * 2, *["again"] * 2,
    "approve", "own_actions", "long_wait", "jump", "late", "profile", *["escalate"] * 2, *["acknowledge"] * 2, "snooze", *["resolve"] * 2,
    "cancel", "close", "erase", "campaign",
    "activate", "activate", "garbage",
)  # fmt: skip
WHO = (0, 0, 0, 0, 1, 1, 2, 3, 3, 4, 5)
"""Most of it happens to the two leads that share an id, so that one thing leads to another."""
Step = tuple[str, int, int]
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(WHO), st.integers(0, 99)), min_size=25, max_size=45)
MODEST = settings(max_examples=settings().max_examples // 2)
"""For laws over whole histories: half of the profile's examples; each is some 150 messages."""


@dataclass
class Builder:
    """Turns drawn steps into inbox messages, in order, with a hand-moved clock."""

    world: Env = ENV
    now: datetime = START
    log: list[Message] = field(default_factory=list)
    told: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    """Activity so far, by lead."""

    def __post_init__(self) -> None:
        self.listener = Listener(self.world)

    def heard(self, who: int, what: Literal["sent", "asked", "escalations"]) -> tuple[int, list[Any]]:
        """What there is of a lead, or else of the next one of whom there is any."""
        self.listener.listen(self.log)
        others = [*range(who, len(LEADS)), *range(who)]
        found = ((one, getattr(self.listener.of(LEADS[one]), what)) for one in others)
        return next(((one, there) for one, there in found if there), (who, []))

    def add(self, body: dict[str, Any] | bytes, *, late: timedelta = timedelta(0)) -> None:
        if isinstance(body, dict):
            body = {"id": f"e{len(self.log)}", "at": (self.now - late).isoformat(), **body}
        self.log.append(message(len(self.log) * SPACING, body, self.now))

    def tell(self, who: int, body: dict[str, Any], *, late: timedelta = timedelta(0)) -> None:
        tenant, lead = LEADS[who]
        body = {"id": f"e{len(self.log)}", "tenant": tenant, "lead": lead, "at": (self.now - late).isoformat(), **body}
        self.add(body)
        if body["type"] in ACTIVITY_TYPES:
            self.told.setdefault(who, []).append(body)

    def wait(self, hours: int, every: int) -> None:
        for _ in range(0, hours, every):
            self.now += timedelta(hours=every)
            behind = {"until": (self.now - timedelta(hours=2 * every)).isoformat()} if hours % 5 == 3 else {}
            self.add({"type": "tick", "partition": 0, **behind})

    def step(self, kind: str, who: int, n: int) -> None:  # noqa: C901, PLR0912, PLR0915 - a table of what may happen
        match kind:
            case "activity":
                self.now += timedelta(minutes=7 * (n % 5))
                self.tell(who, activity(n, self.now))
            case "wait":
                self.wait(24 * (1 + n % 5), 6 + n % 7)
            case "long_wait":
                self.wait(24 * (20 + n), 48)
            case "jump":  # the clock was down
                self.wait(24 * (15 + n % 20), 24 * (15 + n % 20))
            case "late":
                self.tell(who, activity(n, self.now), late=timedelta(hours=1 + n))
            case "again" if earlier := self.told.get(who, [])[-6:]:
                self.add(earlier[n % len(earlier)])
            case "profile":
                self.tell(who, {"type": "profile_updated", **PROFILES[n % len(PROFILES)]})
            case "consent":
                self.tell(who, {"type": "consent_changed", **CONSENTS[n // 3 % len(CONSENTS)]})
            case "receipts":
                who, sent = self.heard(who, "sent")
                for i, (intervention, channel) in enumerate(sent[-MOST:] or [NOBODYS]):
                    body = {"intervention": intervention, "channel": channel}
                    self.tell(who, {"type": "receipt", "status": STATUSES[(n + i) % len(STATUSES)], **body})
            case "trigger":
                self.tell(who, {"type": "trigger_intervention", "stage": ORDER[1 + n % 3], "by": "kim"})
            case "own_actions":
                self.tell(who, {"type": "trigger_intervention", "stage": ORDER[2], "by": "kim", "actions": OWN})
            case "approve":
                who, waiting = self.heard(who, "asked")
                for intervention in waiting[-MOST:] or [NOBODYS[0]]:
                    answer = {"intervention": intervention, "approved": n % 3 > 0, "by": "lee"}
                    self.tell(who, {"type": "approve_intervention", **answer})
            case "campaign":
                known = [*ON_THE_WAY["campaigns"], "nothing_of_the_kind"]
                self.tell(who, {"type": "begin_campaign", "campaign": known[n % len(known)], "by": "kim"})
            case "escalate":
                self.tell(who, {"type": "escalate_lead", "reason": "asked for a manager", "by": "kim"})
            case "acknowledge" | "snooze" | "resolve":
                who, opened = self.heard(who, "escalations")
                escalation = [NOBODYS[0], *opened][-1 - (n % 4 == 3) :][0]
                until = {"until": (self.now + timedelta(hours=1 + n)).isoformat()} if kind == "snooze" else {}
                self.tell(who, {"escalation": escalation, "by": "lee", **SETTLING[kind], **until})
            case "cancel":
                self.tell(who, {"type": "cancel_interventions", "by": "kim"})
            case "close":
                self.tell(who, {"type": "lead_closed", "outcome": ("won", "lost", "churned")[n % 3]})
            case "erase":
                self.tell(who, {"type": "erase_lead", "by": "kim"})
                self.told[who] = []
            case "activate":
                self.add({"type": "activate", "partition": 0, **ACTIVATIONS[n % len(ACTIVATIONS)]})
            case "newer":
                self.add({"type": "activate", "partition": 0, "policy": "2", **({"share": 0.5} if n % 3 else {})})
            case "off":
                self.add({"type": "activate", "partition": 0, "acting": False})
            case "garbage":
                self.add(GARBAGE[n % len(GARBAGE)])


DAYS_AHEAD = {
    "appointment_scheduled": "starts_at",
    "subscription_started": "renews_at",
    "subscription_renewed": "renews_at",
}


def activity(n: int, now: datetime) -> dict[str, Any]:
    """One of the activities; those that speak of a day speak of one up to eleven days ahead."""
    told = ACTIVITIES[n % len(ACTIVITIES)]
    if key := DAYS_AHEAD.get(told["type"]):
        return told | {key: (now + timedelta(hours=7 * (n % 40))).isoformat()}
    return told


ACTIVITY_TYPES = {a["type"] for a in ACTIVITIES}


def build(steps: list[Step], world: Env = ENV, start: datetime = START) -> list[Message]:
    """The log of one partition; it answers what this world makes of it."""
    builder = Builder(world, start)
    for kind, who, n in steps:
        builder.step(kind, who, n)
    return builder.log


KNOWN: list[Step] = [
    *((kind, who, 0) for who in (0, 1, 2, 3, 5) for kind in ("profile", "activity")),
    ("profile", 4, 0),
]


def histories() -> st.SearchStrategy[list[Message]]:
    """Logs of one partition. Leads get a profile first, so that steps have somewhere to go; and soon a new version comes."""
    return STEPS.map(
        lambda steps: build([*KNOWN, *steps[: steps[0][2] // 9], ("newer", 0, steps[0][2]), *steps[steps[0][2] // 9 :]])
    )


def watching() -> st.SearchStrategy[list[Message]]:
    """Logs in which acting stops while there is something to do: all leads have steps planned."""
    busy: list[Step] = [("trigger", who, n) for who in range(len(LEADS)) for n in (0, 1, 2)]
    return st.tuples(STEPS, STEPS).map(lambda s: build([*KNOWN, *s[0][:10], *busy, ("off", 0, 0), *s[1]]))
