"""Generated histories: two tenants, a few leads, every kind of message, silence, late events, duplicates, garbage."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from schemas.units import Channel, Stage
from schemas.weights import Answered, Weights, name_of
from streams.env import EVERYONE, Env
from streams.features import Floats
from streams.ids import derive, life_of
from streams.lead import Message
from streams.policy import Policy
from streams.risk import RuleScorer
from streams.stage import ORDER
from tests.worlds import START, lead_named, message, policy

SPACING = 16
"""Offsets are this far apart, so that something can be put in between without moving anything else."""
NOTE = {"action": "market_update", "channel": "email", "template": "early_warning.email", "cost_cents": 9.0}
HEARD: dict[str, Any] = {
    "name": "heard",
    "action": "immediate_call",
    "channel": "crm_task",
    "template": "active_risk.crm_task",
}


def campaign(trigger: str, channel: str = "in_app", /, **more: Any) -> dict[str, Any]:
    """A campaign of one step; what is given besides `again`, `stop_on` and `where` belongs to the trigger."""
    own: dict[str, Any] = {key: more.pop(key) for key in ("stop_on", "where", "again_after_days") if key in more}
    step = {**NOTE, "name": "say", "channel": channel, "template": f"early_warning.{channel}", "effect": 0.4}
    return {"again_after_days": 2, **own, "trigger": {"type": trigger, **more}, "steps": [step]}


ON_THE_WAY: dict[str, Any] = {
    "journey": {
        "follow_crm": True,
        "stages": [
            {"name": "prospect", "done_on": ["appointment_completed", "demo_watched"], "milestones": ["item_shared"]},
            {
                "name": "deciding",
                "done_on": ["purchase_completed", "closed_won"],
                "back_on": ["appointment_cancelled"],
                "blockers": ["payment_failed", "ticket_opened"],
                "milestones": ["appointment_scheduled"],
                "typical_days": 4,
            },
            {"name": "client", "back_on": ["refund_issued", "closed_churned"], "stalled_after_days": 30},
        ],
    },
    "campaigns": {
        "missed": campaign(
            "event", kinds=["appointment_missed", "item_saved"], stop_on=["recovery", "appointment_completed"]
        ),
        "reminder": campaign("appointment_due", "email", hours_before=20, again_after_days=0),
        "renewal": campaign("renewal_due", days_before=3, stop_on=["reply"]),
        "a_while_after": campaign("anniversary", kind="purchase_completed", after_days=5),
        "carnival": campaign("season", start="01-20", days=20, where={"journey": ["deciding", "client"]}),
        "unhappy": campaign("satisfaction_drop", "crm_task", below=0.5, again_after_days=0),
        "happy": campaign("satisfied", at_least=0.6, where={"risk": ["none"]}),
        "at_risk": campaign("churn_risk", stage="early_warning", where={"health": [0, 90]}),
        "entered": campaign("lifecycle_stage", stage="client"),
        "back": campaign("lifecycle_stage", stage="deciding", when="moved_back"),
        "stuck": campaign("lifecycle_stage", "crm_task", stage="deciding", when="stalled"),
    },
}
"""A journey, and a campaign for every trigger there is."""
ON_THE_WAY["campaigns"]["missed"]["steps"] += [
    {**NOTE, "name": "again", "after": {"step": "say", "unless": ["opened", "page_viewed"], "within_hours": 30}},
    {**HEARD, "after": {"step": "again", "on": ["sent", "held"], "within_hours": 10}},
]
BUSY: dict[str, Any] = ON_THE_WAY | {
    "quiet_hours": {"start": "00:00", "end": "00:00", "days_off": ["tuesday"], "holidays": "US"},
    "caps": {
        "max_per_day": 1,
        "max_per_week": 2,
        "cooldown_hours": 0,
        "action_gap_hours": {"market_update": 30, "special_offer": 60},
    },
    "channels": {"email": {"max_per_week": 3, "min_gap_hours": 0, "cost_cents": 12.5}, "crm_task": {"cost_cents": 8.0}},
    "holdout": {"share": 0.3},
    "vocabulary": {"demo_watched": {"family": "intent", "key": True}},
    "budget": {"per_day_cents": 25.0},
    "escalation": {
        "chain": ["owner", "manager", "lead-of-sales"],
        "task_template": "critical_risk.crm_task",
        "working_hours": {"start": "08:00", "end": "12:00"},
        "hours": {"manager": {"start": "10:00", "end": "23:00"}},
        "most_open": 1,
    },
    "approvals": {"actions": ["special_offer"], "expires_after_hours": 30},
    "offers": {
        "ten": {"words": "10 % off", "stages": ["active_risk"], "cost_cents": 3.0},
        "free": {"words": "one month", "stages": ["active_risk", "critical_risk"], "cost_cents": 2.0},
    },
    "send_time": {"hour": 11, "control": 0.3, "explore": 0.4},
    "experiments": {
        "first_words": {
            "template": "early_warning.email",
            "variants": {
                "plain": {"template": "early_warning.email"},
                "bold": {"template": "active_risk.email", "weight": 2.0},
                "old": {"template": "critical_risk.email", "weight": 0.0},
            },
        },
        "in_the_app": {
            "template": "early_warning.in_app",
            "learn": False,
            "variants": {"a": {"template": "early_warning.in_app"}, "b": {"template": "active_risk.in_app"}},
        },
    },
    "playbooks": {
        "early_warning": {
            "hand_on_after_hours": 60,
            "stop_on": ["reply", "opt_out"],
            "steps": [
                {**NOTE, "name": "gentle_note", "fallback": ["in_app"], "choose": True},
                {
                    **NOTE,
                    "name": "thanks",
                    "channel": "in_app",
                    "after": {"step": "gentle_note", "on": ["opened", "sent"]},
                },
                {**NOTE, "name": "again", "after": {"step": "gentle_note", "unless": ["delivered", "item_saved"]}},
                {**NOTE, "name": "task", "channel": "crm_task", "after": {"step": "again", "on": ["held", "failed"]}},
            ],
        }
    },
}
EAGER = {"version": "2", "stages": {"early_warning": 0.25, "active_risk": 0.5, "critical_risk": 0.7, "dwell_hours": 1}}
POLICIES: dict[str, dict[str, Policy]] = {
    "": {EVERYONE: policy(), "busy": policy(BUSY)},
    "2": {EVERYONE: policy(EAGER), "busy": policy(BUSY | EAGER)},
}


class Stern(RuleScorer):
    """Another model, which tells risks a bit higher."""

    version = "stern"

    def score(self, x: Floats) -> Floats:
        """Between the rule's word and certainty."""
        return 0.9 * super().score(x) + 0.1


WEIGHTS = {
    "w1": {
        "busy": Weights(
            experiments={"first_words": {"plain": 0.9, "bold": 0.1, "old": 0.0}},
            hour=15,
            hours={20: tuple(name_of("busy", f"B{n}") for n in range(50))},
            channels={
                Stage.EARLY_WARNING: {
                    Channel.EMAIL: Answered(messages=90, rate=0.1),
                    Channel.IN_APP: Answered(messages=50, rate=0.3),
                }
            },
        )
    },
    "w2": {EVERYONE: Weights(experiments={"first_words": {"plain": 0.0, "bold": 1.0}, "in_the_app": {"a": 1, "b": 0}})},
}
ENV = Env(POLICIES, {"": RuleScorer(), "rule-1": RuleScorer(), "stern": Stern()}, weights=WEIGHTS)
LEADS: tuple[tuple[str, str], ...] = (
    ("acme", lead_named("L", tenant="acme", out=False)),
    ("busy", lead_named("L", tenant="acme", out=False)),  # the same lead id in two tenants
    ("acme", lead_named("H", tenant="acme", out=True)),
    ("busy", lead_named("B", tenant="busy", out=False, share=0.3)),
    ("acme", lead_named("P", tenant="acme", out=False)),  # known by its profile only
    ("busy", lead_named("C", tenant="busy", out=False, share=0.3)),  # shares its tenant's budget with the fourth
)
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
    {"channel": "all", "allowed": False},
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
    {"model": "rule-1"},
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
STATUSES = ("delivered", "failed", "bounced", "opened", "responded", "queued", "clicked")
GARBAGE: tuple[bytes, ...] = (b"{", b"[]", b"\xff", b'{"type":"nope"}', b'{"v":1,"type":"page_viewed","id":"g"}')
KINDS = (
    *["activity"] * 8, *["wait"] * 8, *["receipts"] * 3, *["trigger"] * 2, *["consent"] * 2, *["again"] * 2,
    "approve", "own_actions", "long_wait", "jump", "late", "profile", "escalate", "acknowledge", "snooze", "resolve",
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

    now: datetime = START
    log: list[Message] = field(default_factory=list)
    born: dict[int, int] = field(default_factory=dict)
    sent: dict[int, list[tuple[dict[str, Any], bool]]] = field(default_factory=dict)

    def add(self, body: dict[str, Any] | bytes, *, late: timedelta = timedelta(0)) -> None:
        if isinstance(body, dict):
            body = {"id": f"e{len(self.log)}", "at": (self.now - late).isoformat(), **body}
        self.log.append(message(len(self.log) * SPACING, body, self.now))

    def tell(self, who: int, body: dict[str, Any], *, late: timedelta = timedelta(0)) -> None:
        tenant, lead = LEADS[who]
        body = {"id": f"e{len(self.log)}", "tenant": tenant, "lead": lead, "at": (self.now - late).isoformat(), **body}
        self.add(body)
        if body["type"] not in SAY_NOTHING_OF_THE_UNKNOWN:
            self.born.setdefault(who, life_of(tenant, lead, body["id"]))
        self.sent.setdefault(who, []).append((body, body["type"] in ACTIVITY_TYPES))

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
            case "again":
                earlier = [body for body, is_activity in self.sent.get(who, [])[-6:] if is_activity]
                if earlier:
                    self.add(earlier[n % len(earlier)])
            case "profile":
                self.tell(who, {"type": "profile_updated", **PROFILES[n % len(PROFILES)]})
            case "consent":
                self.tell(who, {"type": "consent_changed", **CONSENTS[n // 3 % len(CONSENTS)]})
            case "receipts":
                for i, (intervention, channel) in enumerate(
                    interventions_of(who, self.born.get(who, 0), episode=1 + n // 70)
                ):
                    status = STATUSES[(n + i) % len(STATUSES)]
                    self.tell(
                        who, {"type": "receipt", "intervention": intervention, "channel": channel, "status": status}
                    )
            case "trigger":
                self.tell(who, {"type": "trigger_intervention", "stage": ORDER[1 + n % 3], "by": "kim"})
            case "own_actions":
                self.tell(who, {"type": "trigger_intervention", "stage": ORDER[2], "by": "kim", "actions": OWN})
            case "approve":
                for order in [b["id"] for b, _ in self.sent.get(who, []) if "actions" in b][-2:]:
                    asked = own_intervention(who, self.born.get(who, 0), 1 + n // 50, order)
                    self.tell(
                        who, {"type": "approve_intervention", "intervention": asked, "approved": n % 3 > 0, "by": "lee"}
                    )
            case "campaign":
                known = [*ON_THE_WAY["campaigns"], "nothing_of_the_kind"]
                self.tell(who, {"type": "begin_campaign", "campaign": known[n % len(known)], "by": "kim"})
            case "escalate":
                self.tell(who, {"type": "escalate_lead", "reason": "asked for a manager", "by": "kim"})
            case "acknowledge":
                self.tell(
                    who,
                    {
                        "type": "acknowledge_escalation",
                        "escalation": escalation_of(who, self.born.get(who, 0), 1 + n % 2),
                        "by": "lee",
                    },
                )
            case "snooze":
                body = {
                    "escalation": escalation_of(who, self.born.get(who, 0), 1 + n % 2),
                    "until": (self.now + timedelta(hours=n)).isoformat(),
                    "reason": "on holiday",
                }
                self.tell(who, {"type": "snooze_escalation", "by": "lee", **body})
            case "resolve":
                body = {
                    "escalation": escalation_of(who, self.born.get(who, 0), 1 + n % 2),
                    "by": "lee",
                    "outcome": "called",
                }
                self.tell(who, {"type": "resolve_escalation", **body})
            case "cancel":
                self.tell(who, {"type": "cancel_interventions", "by": "kim"})
            case "close":
                self.tell(who, {"type": "lead_closed", "outcome": ("won", "lost", "churned")[n % 3]})
            case "erase":
                self.tell(who, {"type": "erase_lead", "by": "kim"})
                self.sent[who] = []
                del self.born[who]
            case "activate":
                self.add({"type": "activate", "partition": 0, **ACTIVATIONS[n % len(ACTIVATIONS)]})
            case "off":
                self.add({"type": "activate", "partition": 0, "acting": False})
            case "garbage":
                self.add(GARBAGE[n % len(GARBAGE)])


SAY_NOTHING_OF_THE_UNKNOWN = {
    "receipt",
    "acknowledge_escalation",
    "resolve_escalation",
    "cancel_interventions",
    "approve_intervention",
    "snooze_escalation",
}
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


def interventions_of(who: int, born: int, episode: int) -> list[tuple[str, Channel]]:
    """Ids that commands by e-mail and in the app will have, if they are ever sent."""
    tenant, lead = LEADS[who]
    rules = POLICIES[""].get(tenant, POLICIES[""][EVERYONE])
    of_campaigns: list[tuple[str, Channel]] = [
        (derive("int", tenant, lead, born, run, f"campaign.{name}.{step.name}", channel), channel)
        for name, one in rules.campaigns.items()
        for run in (episode, episode + 1)
        for step in one.steps
        for channel in (step.channel, *step.fallback)
        if channel in {Channel.EMAIL, Channel.IN_APP}
    ]
    of_playbooks: list[tuple[str, Channel]] = [
        (derive("int", tenant, lead, born, episode, f"{stage}.{step.name}", channel), channel)
        for stage in ORDER[1:]
        for step in rules.playbooks.of(stage).steps
        for channel in (step.channel, *step.fallback)
        if channel in {Channel.EMAIL, Channel.IN_APP}
    ]
    return of_campaigns[born % 5 :: 5] + of_playbooks


def own_intervention(who: int, born: int, episode: int, order: str) -> str:
    """Id of the offer by e-mail that an order brings about, in that episode and at that stage."""
    tenant, lead = LEADS[who]
    return derive("int", tenant, lead, born, episode, f"{ORDER[2]}.ordered_1.{order}", "email")


def escalation_of(who: int, born: int, number: int) -> str:
    """Id of a lead's n-th escalation."""
    tenant, lead = LEADS[who]
    return derive("esc", tenant, lead, born, number)


def build(steps: list[Step]) -> list[Message]:
    """The log of one partition."""
    builder = Builder()
    for kind, who, n in steps:
        builder.step(kind, who, n)
    return builder.log


KNOWN: list[Step] = [
    *((kind, who, 0) for who in (0, 1, 2, 3, 5) for kind in ("profile", "activity")),
    ("profile", 4, 0),
]


def histories() -> st.SearchStrategy[list[Message]]:
    """Logs of one partition. Leads get a profile first, so that steps have somewhere to go."""
    return STEPS.map(lambda steps: build(KNOWN + steps))


def watching() -> st.SearchStrategy[list[Message]]:
    """Logs in which acting stops while there is something to do: all leads have steps planned."""
    busy: list[Step] = [("trigger", who, n) for who in range(len(LEADS)) for n in (0, 1, 2)]
    return st.tuples(STEPS, STEPS).map(lambda s: build([*KNOWN, *s[0][:10], *busy, ("off", 0, 0), *s[1]]))
