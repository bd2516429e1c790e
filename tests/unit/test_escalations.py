"""Escalations that close: who is asked, in which order and time; merged, snoozed, taken on, made a task, ended."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import ESCALATIONS
from streams.entries import LONGEST_ROUND
from streams.env import Env
from streams.lead import Message, Partition, fold
from streams.state import encode_record
from streams.thresholds import WorkingHours
from streams.trend import note_risk
from streams.working_hours import working_until
from streams.workload import note
from tests.unit.lives import Life
from tests.worlds import START, env, message, policy

CHAIN: dict[str, Any] = {
    "chain": ["owner", "manager"], "target": "head", "acknowledge_within_hours": 6, "cooldown_hours": 24,
    "task_template": "critical_risk.crm_task",
}  # fmt: skip
STAFF: dict[str, Any] = {"owner": "kim", "manager": "lee"}


def escalated(life: Life) -> list[tuple[str, str]]:
    """What was said of escalations."""
    return [(t["status"], t["target"]) for t in life.told if t["type"] == "lead_escalated"]


def asked(**changes: Any) -> Life:
    """A lead that an operator escalates on day 1."""
    life = Life({"escalation": {**CHAIN, **changes}}, **STAFF)
    life.tell(0, "item_viewed", item="x")
    life.tell(1, "escalate_lead", reason="asked for help", by="ann")
    return life


def the_one(life: Life) -> str:
    """Id of the lead's only escalation."""
    (found,) = {t["id"] for t in life.told if t["type"] == "lead_escalated"}
    return str(found)


def test_who_does_not_acknowledge_gives_way_to_the_next_and_then_it_is_a_task() -> None:
    life = asked()
    life.ticks(2, 6)
    assert escalated(life) == [("open", "kim"), ("passed_on", "lee"), ("passed_on", "head"), ("unanswered", "head")]
    (task,) = [t for t in life.told if t["type"] == "deliver_intervention"]
    assert (task["channel"], task["template"], task["step"]) == (
        "crm_task",
        "critical_risk.crm_task",
        "unanswered_escalation",
    )
    (last,) = [t for t in life.told if t.get("status") == "unanswered"]
    assert (last["asked"], last["acknowledge_by"], last["opened_at"][:10]) == (
        ["kim", "lee", "head"],
        None,
        "2026-01-06",
    )
    life.tell(7, "resolve_escalation", escalation=the_one(life), by="lee", outcome="called")
    assert escalated(life)[-1] == ("resolved", "head")
    life.ticks(8, 12)
    assert len(escalated(life)) == 5


def test_who_acknowledges_keeps_it() -> None:
    life = asked()
    life.tell(1.1, "acknowledge_escalation", escalation=the_one(life), by="kim")
    life.ticks(2, 6)
    assert escalated(life) == [("open", "kim"), ("acknowledged", "kim")]
    (last,) = [t for t in life.told if t.get("status") == "acknowledged"]
    assert (last["acknowledged_at"], last["acknowledge_by"]) == (last["at"], None)


def test_a_snooze_stops_the_clock_and_says_why() -> None:
    life = asked()
    life.tell(
        1.1, "snooze_escalation", escalation=the_one(life), by="kim", until="2026-01-09T15:00:00Z", reason="on a flight"
    )  # fmt: skip
    (snoozed,) = [t for t in life.told if t.get("status") == "snoozed"]
    assert (snoozed["note"], snoozed["by"], snoozed["snoozed_until"]) == ("on a flight", "kim", "2026-01-09T15:00:00Z")
    life.ticks(2, 3)
    assert escalated(life) == [("open", "kim"), ("snoozed", "kim")]
    life.ticks(4, 5)
    assert escalated(life)[2:] == [("reopened", "kim"), ("passed_on", "lee")]


def test_the_same_reason_is_one_escalation() -> None:
    life = asked()
    life.tell(1.1, "escalate_lead", reason="asked for help", by="ann")
    life.tell(1.2, "escalate_lead", reason="asked for the owner", by="ann")
    assert [t["repeats"] for t in life.told if t["type"] == "lead_escalated"] == [0, 1, 0]
    assert [(t["verdict"], t["rule"]) for t in life.told if t["type"] == "decided"] == [
        ("escalated", "operator"), ("held", "escalation_merged"), ("escalated", "operator"),
    ]  # fmt: skip


def test_what_a_rule_opened_ends_with_its_episode_and_all_ends_when_the_lead_is_closed() -> None:
    life = Life({"escalation": {**CHAIN, "acknowledge_within_hours": 999}}, **STAFF)
    life.grow_silent(30)
    assert escalated(life) == [("open", "kim")]
    life.tell(31, "purchase_completed", amount_cents=100)
    assert escalated(life)[1:] == [("resolved", "kim")]
    closed = asked()
    closed.tell(1.1, "lead_closed", outcome="won")
    assert escalated(closed) == [("open", "kim"), ("resolved", "kim")]
    assert [t["outcome"] for t in closed.told if t["type"] == "lead_escalated"][-1] == "the lead was closed as won"


def test_two_reasons_in_one_moment_are_two_decisions() -> None:
    """The lead becomes critical in the very tick in which nothing has stopped the critical playbook for long enough."""
    soon: dict[str, Any] = {"steps": [], "hand_on_after_hours": 24}
    playbooks = {"early_warning": soon, "active_risk": soon, "critical_risk": {**soon, "hand_on_after_hours": 220}}
    life = Life({"playbooks": playbooks, "escalation": {**CHAIN, "cooldown_hours": 0}}, **STAFF)
    life.grow_silent(40)
    made = [(t["at"], t["id"]) for t in life.told if t["type"] == "decided" and t["step"] == "escalate"]
    assert len({at for at, _ in made}) < len(made), "otherwise this says nothing"
    assert len({name for _, name in made}) == len(made)


def test_a_task_that_nobody_ordered_does_not_hold_the_episode_open() -> None:
    life = Life({"escalation": CHAIN}, **STAFF)
    life.grow_silent(30)
    assert [i.step for i in life.record.open_interventions()][-1] == "unanswered_escalation"
    life.tell(30.2, "message_received")
    life.ticks(31, 32)
    assert life.record.episode is None, "the lead is back"


def test_a_forgotten_lead_leaves_no_escalation_open() -> None:
    life = asked(task_template=None)
    life.ticks(2, 4)
    for day in (800, 801):
        life.ticks(day, day)
    assert escalated(life)[-2:] == [("unanswered", "head"), ("resolved", "head")]


def test_nothing_is_passed_on_while_only_watching() -> None:
    life = asked()
    life._fold(
        datetime(2026, 1, 6, 16, tzinfo=UTC),
        {"id": "off", "type": "activate", "partition": 0, "acting": False, "at": "2026-01-06T16:00:00Z"},
    )
    life.ticks(2, 6)
    assert escalated(life) == [("open", "kim")]


ZONE = "America/New_York"


def at(text: str) -> float:
    """New York's wall clock."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).timestamp()


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-01-07T10:00", 2, "2026-01-07T12:00"),
        ("2026-01-07T17:00", 2, "2026-01-08T10:00"),
        ("2026-01-07T20:00", 2, "2026-01-08T11:00"),
        ("2026-01-09T17:30", 1, "2026-01-12T09:30"),  # over a weekend
        ("2026-01-16T17:30", 1, "2026-01-20T09:30"),  # and Martin Luther King's day
        ("2026-03-06T17:30", 1, "2026-03-09T09:30"),  # the clock is put forward on Sunday
        ("2026-01-07T09:00", 18, "2026-01-08T18:00"),
    ],
)
def test_working_time(start: str, hours: float, end: str) -> None:
    """Nine to six, Monday to Friday."""
    assert working_until(at(start), hours, WorkingHours(), ZONE, "US") == at(end)
    assert working_until(at(start), hours, None, ZONE, "US") == at(start) + hours * 3600


@given(start=st.floats(1.7e9, 1.8e9), hours=st.floats(0.1, 200), more=st.floats(0.1, 50))
def test_more_working_time_ends_later_and_at_work(start: float, hours: float, more: float) -> None:
    rules = WorkingHours()
    end = working_until(start, hours, rules, ZONE, None)
    local = datetime.fromtimestamp(end, ZoneInfo(ZONE))
    assert end >= start + hours * 3600 - 1e-3
    assert local.weekday() < 5
    assert 9 * 60 <= local.hour * 60 + local.minute + local.second / 60 <= 18 * 60 + 0.1
    assert working_until(start, hours + more, rules, ZONE, None) > end


def world_of(most: int | None, partitions: int = 1, **hours: Any) -> tuple[Partition, Env]:
    """A chain of kim and lee, and the head."""
    rules = policy(
        {"escalation": {**CHAIN, "chain": ["kim", "lee"], "most_open": most, "hours": hours, "cooldown_hours": 0}}
    )
    return Partition(0), replace(env(rules), partitions=partitions)


def ask(partition: Partition, world: Env, leads: int, at: datetime = START) -> list[str]:
    """So many leads are escalated one after another by order; who is asked."""
    log = [
        message(
            partition.state.applied + 1 + i,
            {
                "id": f"e{i}", "type": "escalate_lead", "tenant": "acme", "lead": f"L{i}", "at": at.isoformat(), "by": "ann",
                "reason": "asked for help",
            },
            at,
        )
        for i in range(leads)
    ]  # fmt: skip
    told = [json.loads(o.value or b"") for o in fold(partition, log, world).outputs if o.topic == ESCALATIONS.name]
    return [t["target"] for t in told if t["status"] == "open"]


def test_who_has_enough_gives_way_and_then_it_is_shared_out_evenly() -> None:
    assert ask(*world_of(2), leads=8) == ["kim", "kim", "lee", "lee", "head", "head", "kim", "lee"]
    assert ask(*world_of(None), leads=3) == ["kim"] * 3


def test_a_partition_has_its_share_of_what_a_person_may_have() -> None:
    assert ask(*world_of(8, partitions=4), leads=3) == ["kim", "kim", "lee"]
    assert ask(*world_of(2, partitions=4), leads=2) == ["kim", "lee"], "at least one"


def test_who_is_not_at_work_is_asked_only_if_nobody_else_has_room() -> None:
    nights = {"start": "20:00", "end": "23:00", "days": ["monday"]}
    assert ask(*world_of(1, kim=nights), leads=4) == ["lee", "head", "kim", "kim"]


def test_what_people_have_is_known_again_after_a_restart() -> None:
    """From the leads' records alone, whether or not anybody had asked before."""
    partition, world = world_of(1)
    assert ask(partition, world, leads=2) == ["kim", "lee"]
    leads, last = partition.changes()
    again = Partition(0)
    again.restore((key, value, 0) for key, value in (*leads, *last))
    body = {
        "id": "x", "type": "escalate_lead", "tenant": "acme", "lead": "M", "at": START.isoformat(), "by": "ann", "reason": "x",
    }  # fmt: skip
    told = [json.loads(o.value or b"") for o in fold(again, [message(9, body, START)], world).outputs]
    assert [t["target"] for t in told if t["type"] == "lead_escalated"] == ["head"]


def test_a_rule_asks_nobody_who_has_enough() -> None:
    """The switch-on of a partition with many leads at risk: some are handed to a person, the others' playbooks go on."""
    partition, world = world_of(1)
    at, log = START, list[Message]()
    for moment in (at + timedelta(days=2 * n) for n in range(5)):
        for lead in ("A", "B", "C", "D", "E"):
            body = {"type": "item_viewed", "item": "x", "tenant": "acme", "lead": lead, "at": moment.isoformat()}
            log.append(message(len(log), {**body, "id": f"{lead}{moment:%d}"}, moment))
    end = at + timedelta(days=40)
    log.append(message(len(log), {"id": "t", "type": "tick", "partition": 0, "at": end.isoformat()}, end))
    told = [json.loads(o.value or b"") for o in fold(partition, log, world).outputs]
    assert [t["target"] for t in told if t["type"] == "lead_escalated"] == ["kim", "lee", "head"]
    held = [t for t in told if t["type"] == "decided" and t["rule"] == "escalation_load"]
    assert len(held) == 2
    assert held[0]["detail"] == "everybody has enough: kim is the freest of 1 allowed"
    assert {t["lead"] for t in told if t["type"] == "deliver_intervention"} == {"A", "B", "C", "D", "E"}


def test_burdens_that_came_to_nothing_are_dropped_in_time() -> None:
    life = asked()
    for n in range(3):
        life.tell(1.1 + n, "resolve_escalation", escalation=the_last(life), by="kim", outcome="called")
        life.tell(1.5 + n, "escalate_lead", reason="asked for help", by="ann")
    assert sum(b.change for b in life.record.borne) == 1
    record = life.record
    note(record, life.count + LONGEST_ROUND + 1)
    assert [(b.person, b.change) for b in record.borne] == [("kim", 1)], "added up"
    record.escalations.clear()
    note(record, life.count + LONGEST_ROUND + 1)
    note(record, life.count + 3 * LONGEST_ROUND)
    assert record.borne == []


def the_last(life: Life) -> str:
    """Id of the lead's latest escalation."""
    return str([t["id"] for t in life.told if t["type"] == "lead_escalated"][-1])


def test_an_order_overrides_the_cooldown_and_says_so() -> None:
    life = asked()
    life.tell(1.5, "escalate_lead", reason="asked again", by="ann")
    life.tell(2.6, "escalate_lead", reason="and again", by="ann")
    told = [t["detail"] for t in life.told if t["type"] == "decided" and t["verdict"] == "escalated"]
    assert told == [
        "asked for help (by ann)",
        "asked again (by ann); escalated 12 h ago: the order overrides the cooldown of 24 h",
        "and again (by ann)",
    ]


def test_an_escalation_says_how_the_risk_has_moved() -> None:
    life = Life({"escalation": CHAIN}, **STAFF)
    life.grow_silent(30)
    (opened,) = [t for t in life.told if t["type"] == "lead_escalated" and t["status"] == "open"]
    told = {t["at"]: round(t["probability"], 6) for t in life.told if t["type"] == "lead_assessed"}
    trend, course = opened["trend"], opened["trend"]["course"]
    assert (trend["direction"], len(course)) == ("rising", 6)
    assert {one["at"]: round(one["probability"], 6) for one in course[1:]}.items() <= told.items()
    assert course[-1] == {"at": opened["at"], "probability": opened["probability"]}
    assert course[0]["at"][:10] == "2026-01-13", "the newest event"
    assert trend["change"] == round(course[-1]["probability"] - course[0]["probability"], 6)
    life.tell(31, "item_viewed", item="x")
    life.tell(31.1, "escalate_lead", reason="is back", by="ann")
    newest = life.told[-1]["trend"]
    assert (newest["direction"], len(newest["course"])) == ("steady", 2), "another matter: the episode is over"


@pytest.mark.parametrize(
    ("course", "direction"),
    [
        ([0.3, 0.9, 0.5], "falling"),
        ([0.3, 0.9, 0.6, 0.59], "falling"),
        ([0.5, 0.7, 0.71], "rising"),
        ([0.2, 0.3], "rising"),
    ],
)
def test_a_risk_rises_or_falls_by_its_newest_changes(course: list[float], direction: str) -> None:
    life = Life({"escalation": CHAIN}, **STAFF)
    life.grow_silent(20)
    row = life.partition.table.index[f"acme:{life.lead}".encode()]
    record = life.record
    assert record.episode is not None
    record.episode.course = []
    for i, p in enumerate(course):
        note_risk(record.episode, (START + timedelta(days=i)).timestamp(), p)
    life.partition.records[row] = encode_record(record)
    life.tell(21, "escalate_lead", reason="x", by="ann")
    assert life.told[-1]["trend"]["direction"] == direction


def test_of_a_lead_that_nothing_is_known_of_there_is_no_trend() -> None:
    life = Life({"escalation": CHAIN}, **STAFF)
    life.tell(1, "escalate_lead", reason="asked for help", by="ann")
    assert life.told[-1]["trend"] is None
