"""The world that generated histories are folded in: two versions of two tenants' policies, two models, weights, and leads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.units import Channel, Stage
from schemas.weights import Answered, Weights, name_of
from streams.env import EVERYONE, Env
from streams.features import Floats
from streams.policy import Policy
from streams.risk import RuleScorer
from streams.story import merged
from tests.worlds import lead_named, policy

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
    "approvals": {
        "actions": ["special_offer"],
        "expires_after_hours": 30,
        "blast_radius": {"leads": 1, "within_hours": 30},
    },
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
EAGER: dict[str, Any] = {
    "version": "2",
    "stages": {"early_warning": 0.25, "active_risk": 0.5, "critical_risk": 0.7, "dwell_hours": 1},
    "playbooks": {
        "early_warning": {
            "steps": [  # by one channel only, later; and what followed is gone
                {
                    **NOTE,
                    "name": "gentle_note",
                    "channel": "in_app",
                    "template": "early_warning.in_app",
                    "delay_hours": 3,
                },
                {**NOTE, "name": "second_note", "delay_hours": 20, "fallback": ["crm_task"]},
            ]
        },
        "active_risk": {
            "steps": [  # the same names, the other way round
                {**HEARD, "name": "personal_email", "action": "schedule_meeting", "fallback": ["email"]},
                {**NOTE, "name": "call_task", "channel": "in_app", "delay_hours": 30, "fallback": ["email"]},
            ]
        },
        "critical_risk": {"steps": [{**HEARD, "name": "call_now", "delay_hours": 5}]},
    },
}
"""A second version: other thresholds, steps, channels and delays, so that what was planned under the first meets it."""
EAGER_CAMPAIGNS: dict[str, Any] = {
    "missed": campaign("event", "email", kinds=["appointment_missed"], stop_on=["recovery"]),
    "unhappy": campaign("satisfaction_drop", "in_app", below=0.5, again_after_days=0),
}
POLICIES: dict[str, dict[str, Policy]] = {
    "": {EVERYONE: policy(), "busy": policy(BUSY)},
    "2": {EVERYONE: policy(EAGER), "busy": policy(merged(BUSY, EAGER | {"campaigns": EAGER_CAMPAIGNS}))},
}


Versions = Mapping[str, Mapping[str, Policy]]
"""Policies by version and tenant, as in `Env`."""


def rules_of(policies: Versions, tenant: str, version: str) -> Policy:
    """The policy that something which goes out for a tenant names."""
    said = (of_tenants.get(tenant, of_tenants[EVERYONE]) for of_tenants in policies.values())
    return next(rules for rules in said if rules.version == version)


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
ENV = Env(POLICIES, {"": RuleScorer(), "rule-2": RuleScorer(), "stern": Stern()}, weights=WEIGHTS)
LEADS: tuple[tuple[str, str], ...] = (
    ("acme", lead_named("L", tenant="acme", out=False)),
    ("busy", lead_named("L", tenant="acme", out=False)),  # the same lead id in two tenants
    ("acme", lead_named("H", tenant="acme", out=True)),
    ("busy", lead_named("B", tenant="busy", out=False, share=0.3)),
    ("acme", lead_named("P", tenant="acme", out=False)),  # known by its profile only
    ("busy", lead_named("C", tenant="busy", out=False, share=0.3)),  # shares its tenant's budget with the fourth
)
