"""Calls: nobody is asked to phone a lead that does not want it, nor at night; and who looks after it is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from schemas.commands import QuietWindow
from schemas.units import Channel
from streams.calls import deadline_by_day, is_call, refuses_calls, unwanted
from tests.unit.lives import Life
from tests.unit.test_arbiter import decisions, ordered, own
from tests.worlds import START, policy

NIGHTS = {"start": "20:00", "end": "09:00"}
CALL = own("immediate_call", "crm_task", within_hours=2)


def commands(life: Life, kind: str = "deliver_intervention") -> list[dict[str, Any]]:
    """Commands of a type for tasks, in order."""
    return [t for t in life.told if t["type"] == kind and t["channel"] == "crm_task"]


def test_what_is_a_call() -> None:
    rules = policy()
    assert is_call(rules, "immediate_call", Channel.CRM_TASK)
    assert not is_call(rules, "agent_escalation", Channel.CRM_TASK)
    assert not is_call(rules, "immediate_call", Channel.EMAIL), "that is a message, and judged as one"
    named = policy({"calls": ["schedule_meeting"]})
    assert not is_call(named, "immediate_call", Channel.CRM_TASK)
    assert is_call(named, "schedule_meeting", Channel.CRM_TASK)


def test_who_may_be_phoned() -> None:
    rules, asks = policy(), policy({"channels": {"phone": {"consent": "opt_in"}}})
    assert refuses_calls(rules, {"email": False}, {Channel.SMS: "the address bounced"}) is None
    assert [unwanted(rules, said, {}) for said in ({}, {"phone": False}, {"all": False, "phone": True})] == [
        None, "does not want to be phoned", "does not want to be contacted",
    ]  # fmt: skip
    assert unwanted(asks, {}, {}) == "may not be phoned: phone needs an opt-in, and there is none"
    assert unwanted(asks, {"phone": True}, {}) is None


def test_after_an_opt_out_nobody_is_asked_to_call_and_staff_is_told() -> None:
    life = Life()
    life.tell(0, "item_viewed", item="x")
    ordered(life, 1, CALL)
    life.tell(1.1, "consent_changed", channel="phone", allowed=False)
    (task,), (taken_back,) = commands(life), commands(life, "withdraw_intervention")
    assert taken_back["id"] == task["id"], "also what is asked already"
    ordered(life, 2, CALL, own("agent_escalation", "crm_task"))
    held = decisions(life, "ordered_1")[-1]
    assert (held["verdict"], held["rule"]) == ("held", "no_consent")
    assert held["detail"] == "it asks for a call, and the lead opted out of phone"
    assert commands(life)[-1]["variables"]["unwanted"] == "does not want to be phoned"
    life.tell(3, "escalate_lead", reason="asked for a manager", by="kim")
    opened = next(t for t in life.told if t["type"] == "lead_escalated")
    assert opened["unwanted"] == "does not want to be phoned"
    life.tell(4, "consent_changed", channel="phone", allowed=True)
    ordered(life, 4.1, CALL)
    assert decisions(life, "ordered_1")[-1]["verdict"] == "sent"


def test_a_call_that_comes_up_at_night_has_its_time_in_the_morning() -> None:
    """The story is New York's: ordered at 22:00, and two hours to make it; due at nine, and good until eleven."""
    life = Life({"quiet_hours": NIGHTS})
    life.tell(0, "item_viewed", item="x")
    ordered(life, 0.5, CALL)
    put_off, morning = decisions(life, "ordered_1")[-1], START + timedelta(hours=23)
    assert (put_off["verdict"], put_off["rule"]) == ("deferred", "quiet_hours")
    assert datetime.fromisoformat(put_off["until"]) == morning
    assert datetime.fromisoformat(put_off["expires"]) == morning + timedelta(hours=2)
    life.ticks(1, 1)
    (task,) = commands(life)
    assert datetime.fromisoformat(task["deadline"]) == morning + timedelta(hours=2)
    assert task["quiet"]["end_minute"] == 9 * 60, "nor does who was late to hear of it call at night"


def test_a_deadline_at_night_has_an_hour_of_the_morning_too() -> None:
    window = QuietWindow(start_minute=20 * 60, end_minute=9 * 60, timezone="America/New_York")
    at = [datetime(2026, 1, 5, hour, tzinfo=ZoneInfo("America/New_York")).timestamp() for hour in (19, 21)]
    assert [deadline_by_day(t, window) - t for t in at] == [0.0, 13 * 3600.0]
