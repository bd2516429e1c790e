"""Any policy that can be read keeps the laws: whatever its caps, hours, gaps, branches, approvals and chain are.

Each history begins with five programmes that want the same two leads in the same moment.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.units import Stage
from streams.env import EVERYONE, Env
from streams.holdout import held_out, out_of_programme
from streams.lead import Message
from streams.plays import DECIDED, RECEIPTS
from streams.policy import Policy
from streams.record import UNANSWERED
from streams.replay import replay
from streams.risk import RuleScorer
from streams.thresholds import WEEKDAYS
from tests.laws.histories import KNOWN, LEADS, NOTE, STEPS, Step, build
from tests.laws.test_contacts import REACHES_LEAD, Known, deliveries, never_more_than_the_cap_in_any_window
from tests.worlds import policy

FEW = settings(max_examples=max(settings().max_examples // 4, 5))
WORDS = st.sampled_from((*DECIDED, *RECEIPTS, "item_viewed", "payment_failed", "message_received"))
CHANNELS = st.sampled_from(("email", "in_app", "crm_task", "agent_alert"))
ACTIONS = ("market_update", "special_offer", "immediate_call")


@st.composite
def playbooks(draw: st.DrawFn) -> dict[str, Any]:
    """Up to five steps; each may wait for one before it."""
    steps: list[dict[str, Any]] = []
    for i in range(draw(st.integers(1, 5))):
        channel = draw(CHANNELS)
        step = NOTE | {"name": f"s{i}", "channel": channel, "template": f"early_warning.{channel}"}
        step |= {"action": draw(st.sampled_from(ACTIONS)), "delay_hours": draw(st.integers(0, 30))}
        step |= {"effect": draw(st.sampled_from([0.0, 0.1, 1.0])), "within_hours": draw(st.integers(1, 120))}
        if i and draw(st.booleans()):
            words = draw(st.lists(WORDS, min_size=1, max_size=3))
            step["after"] = {
                "step": f"s{draw(st.integers(0, i - 1))}",
                draw(st.sampled_from(("on", "unless"))): words,
                "within_hours": draw(st.integers(1, 80)),
            }
        steps.append(step)
    stop = draw(st.sets(st.sampled_from(("recovery", "reply", "opt_out"))))
    held = draw(st.sampled_from([0.0, 0.0, 0.3]))
    return {
        "steps": steps,
        "stop_on": sorted(stop),
        "holdout": held,
        "hand_on_after_hours": draw(st.sampled_from([None, 12, 200])),
    }


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
    ]
)
JOURNEY = {
    "stages": [
        {"name": "deciding", "done_on": ["item_viewed"]},
        {"name": "client", "typical_days": 3, "back_on": ["refund_issued"]},
    ]
}


@st.composite
def campaigns(draw: st.DrawFn) -> dict[str, Any]:
    """Up to three of them, with up to five steps each."""
    found = {}
    for i in range(draw(st.integers(0, 3))):
        trigger = draw(TRIGGERS)
        known = ["client"] if trigger["type"] == "season" or draw(st.booleans()) else []
        found[f"c{i}"] = {
            "trigger": trigger,
            "where": {"journey": known, "risk": draw(st.sampled_from([[], ["none"], ["none", "early_warning"]]))},
            "again_after_days": draw(st.sampled_from([0, 1, 20])),
            "stop_on": sorted(draw(st.sets(st.sampled_from(("recovery", "reply", "opt_out", "payment_failed"))))),
            "steps": draw(playbooks())["steps"],
        }
    return found


POLICIES = st.fixed_dictionaries(
    {
        "caps": st.fixed_dictionaries(
            {
                "max_per_day": st.integers(0, 3), "max_per_week": st.integers(0, 6), "cooldown_hours": st.sampled_from([0, 5, 50]),
                "action_gap_hours": st.dictionaries(st.sampled_from(ACTIONS), st.integers(0, 200)),
            }
        ),
        "quiet_hours": st.fixed_dictionaries(
            {
                "start": st.sampled_from(["00:00", "12:00", "20:00", "23:30"]), "end": st.sampled_from(["00:00", "07:45", "12:00"]),
                "days_off": st.sets(st.sampled_from(WEEKDAYS), max_size=4).map(sorted), "holidays": st.sampled_from([None, "US"]),
            }
        ),
        "budget": st.fixed_dictionaries({"per_day_cents": st.sampled_from([None, 0, 15, 40])}),
        "approvals": st.fixed_dictionaries(
            {"actions": st.sets(st.sampled_from(ACTIONS)).map(sorted), "expires_after_hours": st.integers(1, 90)}
        ),
        "holdout": st.fixed_dictionaries({"share": st.sampled_from([0.0, 0.3])}),
        "escalation": st.fixed_dictionaries(
            {
                "chain": st.lists(st.sampled_from(["owner", "manager", "x", "duty-manager"]), max_size=3),
                "acknowledge_within_hours": st.sampled_from([0.5, 8, 60]), "cooldown_hours": st.sampled_from([0, 48]),
                "task_template": st.sampled_from([None, "critical_risk.crm_task"]),
                "most_open": st.sampled_from([None, 1, 2]),
                "hours": st.sampled_from([{}, {"x": {"start": "00:00", "end": "06:00"}, "manager": {"days": ["sunday"]}}]),
                "working_hours": st.sampled_from([None, {"start": "22:00", "end": "23:00", "days": ["friday"]}]),
            }
        ),
        "journey": st.just(JOURNEY),
        "campaigns": campaigns(),
        "playbooks": st.fixed_dictionaries(
            {"early_warning": playbooks(), "active_risk": playbooks(), "critical_risk": playbooks()}
        ),
    }
)  # fmt: skip
FIVE: list[Step] = [
    (kind, who, n) for who in (0, 3) for kind, n in (("trigger", 0), ("trigger", 1), ("trigger", 2), ("own_actions", 0), ("own_actions", 1))
]  # fmt: skip


def world_of(changes: dict[str, Any]) -> tuple[Policy, Env]:
    """One policy for every tenant; version 2, which histories activate, has the same rules."""
    rules = policy(changes)
    later = policy(changes | {"version": "2"})
    return rules, Env({"": {EVERYONE: rules}, "2": {EVERYONE: later}}, {"": RuleScorer(), "rule-1": RuleScorer()})


@FEW
@given(changes=POLICIES, steps=STEPS)
def test_no_policy_breaks_the_laws_of_contact(changes: dict[str, Any], steps: list[Step]) -> None:
    rules, world = world_of(changes)
    out = {who for who in LEADS if held_out(rules.holdout, *who)}
    for who, command, known in deliveries(build([*KNOWN, *FIVE, *steps]), world):
        assert who not in out
        if not command["step"].startswith(("ordered_", UNANSWERED)):
            assert not out_of_programme(rules, *who, Stage(command["stage"]))
        if command["channel"] in REACHES_LEAD:
            at, channel = datetime.fromisoformat(command["at"]), command["channel"]
            never_more_than_the_cap_in_any_window(at, channel, known, rules)
            never_quiet(at, known, rules)
            assert not known.opted_out & {channel, "all"}


def never_quiet(at: datetime, known: Known, rules: Policy) -> None:
    """By the hours and days of the policy, read on the lead's clock."""
    by_phone = {"+14155550132": "America/Los_Angeles"}.get(known.phone or "")
    by_region = {"DE-BY": "Europe/Berlin"}.get(known.region or "")
    local = at.astimezone(ZoneInfo(known.zone or by_phone or by_region or "America/New_York"))
    minute, (start, end) = local.hour * 60 + local.minute, rules.quiet_hours.minutes
    assert not (start <= minute < end if start <= end else minute >= start or minute < end)
    assert WEEKDAYS[local.weekday()] not in rules.quiet_hours.days_off


@FEW
@given(changes=POLICIES, steps=STEPS, size=st.integers(2, 30))
def test_under_any_policy_it_does_not_matter_where_a_round_was_cut(
    changes: dict[str, Any], steps: list[Step], size: int
) -> None:
    _, world = world_of(changes)
    log: list[Message] = build([*KNOWN, *FIVE, *steps])
    whole, some = replay({0: log}, world, len(log)), replay({0: log}, world, size)
    assert whole.state == some.state
    assert sorted(map(str, whole.outputs)) == sorted(map(str, some.outputs))
