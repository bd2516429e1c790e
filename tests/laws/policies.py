"""Random policies: any that can be read. What is left to each is what the laws are about, and what might break them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from streams.env import EVERYONE, Env
from streams.plays import DECIDED, RECEIPTS
from streams.policy import Policy
from streams.risk import RuleScorer
from streams.story import merged
from streams.thresholds import WEEKDAYS
from tests.laws.world import NOTE, Stern, Versions
from tests.worlds import policy

WORDS = st.sampled_from((*DECIDED, *RECEIPTS, "item_viewed", "payment_failed", "message_received"))
CHANNELS = ("email", "in_app", "crm_task", "agent_alert", "sms")
ACTIONS = ("market_update", "special_offer", "immediate_call")
OPEN = {
    ("00:00", "00:00"): 0,
    ("12:00", "12:00"): 3,
    ("20:00", "07:45"): 9,
    ("23:30", "12:00"): 15,
    ("02:15", "03:10"): 11,
}
"""Quiet hours, and an hour outside of them; the last are skipped, or come twice, when the clock is changed."""


def _maybe(one: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | one


@st.composite
def steps(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to five; each may wait for one before it, or branch on the same words as another."""
    found: list[dict[str, Any]] = []
    for i in range(draw(st.integers(1, 5))):
        first, *others = draw(st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=3, unique=True))
        step: dict[str, Any] = NOTE | {
            "name": f"s{i}",
            "channel": first,
            "template": f"early_warning.{first}",
            "fallback": others,
        }
        step |= {"action": draw(st.sampled_from(ACTIONS)), "delay_hours": draw(st.integers(0, 30))}
        step |= {"effect": draw(st.sampled_from([0.0, 0.1, 1.0])), "within_hours": draw(st.integers(1, 120))}
        step |= {"priority": draw(st.sampled_from(["low", "high"])), "choose": draw(st.booleans())}
        step |= {"cost_cents": draw(st.sampled_from([0, 7]))}
        if i and draw(st.booleans()):
            branch = found[-1].get("after")
            if branch and draw(st.booleans()):
                way = "unless" if "on" in branch else "on"
                words, step["after"] = branch.get("on") or branch["unless"], {"step": branch["step"]}
                step["after"] |= {way: words, "within_hours": branch["within_hours"]}
            else:
                words = draw(st.lists(WORDS, min_size=1, max_size=3))
                waits = {draw(st.sampled_from(("on", "unless"))): words, "within_hours": draw(st.integers(1, 80))}
                step["after"] = {"step": f"s{draw(st.integers(0, i - 1))}", **waits}
        found.append(step)
    return found


PLAYBOOKS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "steps": steps(),
        "stop_on": st.sets(st.sampled_from(("recovery", "reply", "opt_out"))).map(sorted),
        "holdout": st.sampled_from([0.0, 0.0, 0.3]),
        "hand_on_after_hours": st.sampled_from([None, 12, 200]),
    }
)
TRIGGERS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"type": "event", "kinds": ["item_viewed", "payment_failed"]},
        {"type": "appointment_due", "hours_before": 30},
        {"type": "renewal_due", "days_before": 2},
        {"type": "anniversary", "kind": "message_received", "after_days": 3},
        {"type": "season", "start": "02-01", "days": 12},
        {"type": "satisfaction_drop", "below": 0.7},
        {"type": "satisfied", "at_least": 0.2},
        {"type": "churn_risk", "stage": "active_risk"},
        {"type": "lifecycle_stage", "stage": "client", "when": "stalled"},
        {"type": "lifecycle_stage", "stage": "client", "when": "entered"},
        {"type": "lifecycle_stage", "stage": "deciding", "when": "moved_back"},
    ]
)
JOURNEYS = st.fixed_dictionaries(
    {
        "follow_crm": st.booleans(),
        "stages": st.sampled_from(
            [
                [
                    {"name": "deciding", "done_on": ["item_viewed"]},
                    {"name": "client", "typical_days": 3, "back_on": ["refund_issued"]},
                ],
                [
                    {
                        "name": "prospect",
                        "done_on": ["item_viewed"],
                        "milestones": ["item_saved", "item_viewed"],
                        "unblock": {"item_saved": "market_update"},
                    },
                    {
                        "name": "deciding",
                        "done_on": ["purchase_completed"],
                        "blockers": ["payment_failed"],
                        "next_action": "schedule_meeting",
                        "unblock": {"payment_failed": "immediate_call"},
                    },
                    {"name": "client", "stalled_after_days": 1, "back_on": ["item_shared", "closed_lost"]},
                ],
            ]
        ),
    }
)


@st.composite
def campaigns(draw: st.DrawFn) -> dict[str, Any]:
    """Up to three of them."""
    found = {}
    for i in range(draw(st.integers(0, 3))):
        trigger = draw(TRIGGERS)
        known = ["client"] if trigger["type"] == "season" or draw(st.booleans()) else []
        found[f"c{i}"] = {
            "trigger": trigger,
            "where": {"journey": known, "risk": draw(st.sampled_from([[], ["none"], ["none", "early_warning"]]))},
            "again_after_days": draw(st.sampled_from([0, 1, 20])),
            "stop_on": sorted(draw(st.sets(st.sampled_from(("recovery", "reply", "opt_out", "payment_failed"))))),
            "holdout": draw(st.sampled_from([0.0, 0.0, 0.4])),
            "steps": draw(steps()),
        }
    return found


@st.composite
def quiet_hours(draw: st.DrawFn) -> dict[str, Any]:
    """Hours, days, calendars and zones; and the hour that steps are held to lies outside of them."""
    (start, end), hour = draw(st.sampled_from(sorted(OPEN.items())))
    found: dict[str, Any] = {
        "quiet_hours": {
            "start": start,
            "end": end,
            "days_off": sorted(draw(st.sets(st.sampled_from(WEEKDAYS), max_size=4))),
            "holidays": draw(st.sampled_from([None, "US", "DE-BY"])),
            "timezone": draw(st.sampled_from(["America/New_York", "Europe/London", "Australia/Lord_Howe"])),
            "regions": draw(st.sampled_from([{}, {"US-CA": "America/Denver", "DE": "Europe/Lisbon"}])),
        }
    }
    if draw(st.booleans()):
        found["send_time"] = {"hour": hour, "control": 0.3, "explore": 0.3}
    return found


Section = dict[str, Any]
ALIKE: st.SearchStrategy[Section] = st.fixed_dictionaries(
    {
        "stages": st.sampled_from(
            [
                {"hysteresis": 0.0, "dwell_hours": 0, "grace_days": 0},
                {
                    "early_warning": 0.2,
                    "active_risk": 0.21,
                    "critical_risk": 0.9,
                    "hysteresis": 0.3,
                    "dwell_hours": 100,
                },
                {"early_warning": 0.1, "active_risk": 0.5, "critical_risk": 0.6, "grace_days": 6},
            ]
        ),
        "budget": st.fixed_dictionaries({"per_day_cents": st.sampled_from([None, 0, 15, 40])}),
        "holdout": st.fixed_dictionaries({"share": st.sampled_from([0.0, 0.3])}),
        "escalation": st.fixed_dictionaries(
            {
                "chain": st.lists(st.sampled_from(["owner", "manager", "x", "senior-broker"]), max_size=3),
                "acknowledge_within_hours": st.sampled_from([0.5, 8, 60]),
                "cooldown_hours": st.sampled_from([0, 48]),
                "task_template": st.sampled_from([None, "critical_risk.crm_task"]),
                "most_open": st.sampled_from([None, 1, 2]),
                "hours": st.sampled_from(
                    [{}, {"senior-broker": {"start": "00:00", "end": "06:00"}, "manager": {"days": ["sunday"]}}]
                ),
                "working_hours": st.sampled_from([None, {"start": "22:00", "end": "23:00", "days": ["friday"]}]),
            }
        ),
        "episodes": st.sampled_from(
            [{}, {"attribution_days": 2, "expires_after_days": 9, "churned_after_silent_days": 30}]
        ),
        "offers": st.sampled_from(
            [
                {},
                {"ten": {"words": "10 % off", "stages": ["early_warning", "active_risk"], "cost_cents": 3}},
                {n: {"words": n, "stages": ["critical_risk", "active_risk"], "cost_cents": 9} for n in ("a", "b")},
            ]
        ),
        "experiments": st.dictionaries(
            st.sampled_from(("early_warning.email", "early_warning.in_app")),
            st.booleans(),
            max_size=2,
        ).map(
            lambda learns: {
                f"on_{t.split('.')[1]}": {
                    "template": t,
                    "learn": learn,
                    "variants": {"a": {"template": t}, "b": {"template": t.replace("early_warning", "active_risk")}},
                }
                for t, learn in learns.items()
            }
        ),
        "journey": JOURNEYS,
        "campaigns": campaigns(),
    }
)
"""What both versions have in common: what the laws follow over time, as budgets and people's load, has one measure."""
GAPS = st.dictionaries(st.sampled_from(ACTIONS), st.integers(0, 200)).map(lambda gaps: {"special_offer": 90} | gaps)
OF_ITS_OWN: st.SearchStrategy[Section] = st.fixed_dictionaries(
    {
        "caps": st.fixed_dictionaries(
            {
                "max_per_day": st.integers(0, 3),
                "max_per_week": st.integers(0, 6),
                "cooldown_hours": st.sampled_from([0, 5, 50]),
            }
        ),
        "channels": st.fixed_dictionaries(
            {
                name: st.fixed_dictionaries(
                    {
                        "consent": st.sampled_from(["opt_in", "opt_out"]),
                        "max_per_week": st.integers(0, 4),
                        "min_gap_hours": st.sampled_from([0, 30, 100]),
                        "cost_cents": st.sampled_from([0, 6]),
                    }
                )
                for name in ("email", "in_app", "sms")
            }
        ),
        "approvals": st.fixed_dictionaries(
            {
                "actions": st.sets(st.sampled_from(ACTIONS)).map(sorted),
                "above_cost_cents": _maybe(st.sampled_from([5, 12])),
                "above_value_cents": _maybe(st.just(10_000_00)),
                "expires_after_hours": st.integers(1, 90),
                "blast_radius": _maybe(
                    st.fixed_dictionaries({"leads": st.integers(1, 3), "within_hours": st.sampled_from([1, 48])})
                ),
            }
        ),
        "playbooks": st.fixed_dictionaries(
            {"early_warning": PLAYBOOKS, "active_risk": PLAYBOOKS, "critical_risk": PLAYBOOKS}
        ),
    }
)
"""What a second version may say otherwise: what each message is judged by in the moment in which it goes out."""


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Versions, Env]:
    """One policy for every tenant, and a second version of it, which histories put in force for all or for some."""
    alike = draw(ALIKE) | draw(quiet_hours())
    own = draw(OF_ITS_OWN)
    own["caps"]["action_gap_hours"] = gaps = draw(GAPS)
    other = draw(st.just(own) | OF_ITS_OWN)
    other["caps"]["action_gap_hours"] = gaps
    versions = {
        "": {EVERYONE: _policy(alike, own, "1")},
        "2": {EVERYONE: _policy(alike, other, "2")},
    }
    return versions, Env(versions, {"": RuleScorer(), "rule-2": RuleScorer(), "stern": Stern()})


def _policy(alike: dict[str, Any], own: dict[str, Any], version: str) -> Policy:
    return policy(merged(alike, own) | {"version": version})
