"""Campaigns that wait for a day: an appointment, a renewal, a season; and that only ticks bring it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.env import EVERYONE, Env
from streams.occasions import season
from streams.replay import replay
from streams.risk import RuleScorer
from streams.triggers import Season
from tests.unit.lives import CALM, Life
from tests.unit.test_campaigns import BEGUN, CALM_STAGES, SAY, SENT, STAGES, day, living, said
from tests.worlds import START, env, lead_named, message, policy


def test_an_older_word_about_the_day_told_late_does_not_count() -> None:
    life = living({"type": "appointment_due", "hours_before": 24})
    life.tell(2, "appointment_scheduled", starts_at=day(8))
    life.tell(3, "appointment_cancelled", happened=1)
    life.ticks(4, 12)
    assert [s[0] for s in said(life)] == ["01-12", "01-12"]


def test_a_day_that_moves_takes_back_what_was_said_of_it() -> None:
    steps = [SAY, {**SAY, "name": "later", "delay_hours": 48}]
    life = living({"type": "appointment_due", "hours_before": 120}, steps=steps)
    life.tell(1, "appointment_scheduled", starts_at=day(10))
    life.ticks(2, 6)
    life.tell(6.2, "appointment_cancelled")
    assert [s[1:] for s in said(life)] == [BEGUN, SENT, ("held", "overtaken"), ("withdrawn", "overtaken")]
    assert life.record.planned == []


def test_nothing_is_said_of_a_day_that_is_over() -> None:
    """Approval came after the appointment: the reminder is held, not sent."""
    life = Life({"approvals": {"actions": ["special_offer"], "expires_after_hours": 100}, "campaigns": {"it": {
        "trigger": {"type": "appointment_due", "hours_before": 24}, "steps": [{**SAY, "action": "special_offer", "within_hours": 200}],
    }}})  # fmt: skip
    life.tell(1, "appointment_scheduled", starts_at=day(4))
    life.ticks(2, 3)
    (asked,) = [t for t in life.told if t["type"] == "decided" and t["verdict"] == "deferred"]
    life.tell(4.5, "approve_intervention", intervention=asked["intervention"], approved=True, by="lee")
    assert said(life)[-1][1:] == ("held", "expired")


@pytest.mark.parametrize(("starts", "said_of_it"), [(8, [("begun", "operator"), SENT]), (None, [("held", "operator")])])
def test_an_order_to_speak_of_a_day_needs_that_day(starts: float | None, said_of_it: Any) -> None:
    life = living({"type": "appointment_due", "hours_before": 24})
    life.tell(1, "appointment_scheduled", starts_at=day(starts) if starts else None)
    life.tell(3, "begin_campaign", campaign="it", by="kim")
    assert [s[1:] for s in said(life)] == said_of_it


def test_a_lead_that_comes_back_after_closing_is_reminded_of_its_appointment() -> None:
    life = living({"type": "appointment_due", "hours_before": 24})
    life.tell(1, "appointment_scheduled", starts_at=day(20))
    life.tell(2, "lead_closed", outcome="lost")
    life.ticks(3, 9)
    life.tell(10, "item_viewed", item="x")
    life.ticks(11, 21)
    assert [s[0] for s in said(life)] == ["01-24", "01-24"]


@given(
    start=st.dates(date(2024, 1, 1), date(2024, 12, 31)),
    length=st.integers(1, 180),
    now=st.floats(1.6e9, 2.2e9),
)
def test_a_season_is_on_or_the_next_one_there_is(start: Any, length: int, now: float) -> None:
    """At most a year and a bit ahead, never over, and on its day on the tenant's clock."""
    if (start.month, start.day) == (2, 29):
        return
    trigger = Season(type="season", start=f"{start:%m-%d}", days=length)
    begins = season(trigger, "UTC", now)
    assert now < begins + length * 86_400
    assert begins <= now + 366 * 86_400
    assert f"{datetime.fromtimestamp(begins, UTC):%m-%d %H:%M}" == f"{trigger.start} 00:00"


def test_a_season_comes_every_year_to_those_it_is_for() -> None:
    life = living({"type": "season", "start": "02-01", "days": 20}, where={"journey": ["client"]}, again_after_days=100)
    life.tell(1, "custom", kind="viewing_done")
    life.ticks(2, 500)
    assert [s[:2] for s in said(life)] == [("02-02", "begun"), ("02-02", "sent"), ("02-02", "begun"), ("02-02", "sent")]


def test_a_day_between_two_ticks_waits_for_the_tick_whatever_else_is_in_the_round() -> None:
    """A view that comes beside an event that the campaign listens to goes through the rules with it, and else does not."""
    trigger = {"type": "appointment_due", "hours_before": 24}
    world = env(
        policy({**CALM, "campaigns": {"it": {"trigger": trigger, "steps": [SAY], "stop_on": ["payment_failed"]}}})
    )
    told: list[tuple[float, dict[str, Any]]] = [
        (0, {"type": "profile_updated", "email": "ann@harbour-homes.com"}),
        (0.1, {"type": "appointment_scheduled", "starts_at": day(3)}),
        (2.1, {"type": "page_viewed"}),
        (2.2, {"type": "payment_failed"}),
        (2.3, {"type": "tick", "partition": 0}),
    ]
    log = []
    for i, (at, body) in enumerate(told):
        whose = {} if body["type"] == "tick" else {"tenant": "acme", "lead": lead_named("L", tenant="acme", out=False)}
        log.append(message(i, {"id": f"e{i}", "at": day(at), **whose, **body}, START + timedelta(days=at)))
    whole, single = replay({0: log}, world, len(log)), replay({0: log}, world, 1)
    assert whole.outputs == single.outputs
    assert whole.state == single.state
    begun = [json.loads(o.value or b"") for o in whole.outputs if b'"verdict":"begun"' in (o.value or b"")]
    assert [b["at"] for b in begun] == ["2026-01-07T22:12:00Z"]


def test_a_policy_put_in_force_later_finds_the_leads_that_its_season_is_for() -> None:
    plain: dict[str, Any] = {**CALM, "journey": {"stages": STAGES}, "stages": CALM_STAGES}
    season_of = {"type": "season", "start": "02-01", "days": 20}
    own = {"it": {"trigger": season_of, "steps": [SAY], "where": {"journey": ["client"]}}}
    policies = {"": policy({**plain, "campaigns": {}}), "2": policy({**plain, "version": "2", "campaigns": own})}
    world = Env({version: {EVERYONE: one} for version, one in policies.items()}, {"": RuleScorer()})
    lead = {"tenant": "acme", "lead": lead_named("L", tenant="acme", out=False)}
    told: list[tuple[float, dict[str, Any]]] = [
        (0, {"type": "profile_updated", "email": "ann@harbour-homes.com", **lead}),
        (1, {"type": "custom", "kind": "viewing_done", **lead}),
        *((n, {"type": "tick", "partition": 0}) for n in range(2, 10)),
        (10, {"type": "activate", "partition": 0, "policy": "2"}),
        *((n, {"type": "tick", "partition": 0}) for n in range(11, 40)),
    ]
    log = [
        message(i, {"id": f"e{i}", "at": day(at), **body}, START + timedelta(days=at))
        for i, (at, body) in enumerate(told)
    ]
    outs = [json.loads(o.value or b"") for o in replay({0: log}, world).outputs]
    assert [o["at"][:10] for o in outs if o["type"] == "deliver_intervention"] == ["2026-02-02"]


def test_a_day_that_passes_while_we_only_watch_is_over() -> None:
    """Nobody is looked at again and again for it, and nobody hears of it when acting begins."""
    life = living({"type": "lifecycle_stage", "stage": "client", "when": "stalled"})
    life.tell(1, "custom", kind="viewing_done")
    life.act(2, acting=False)
    life.ticks(3, 20)
    assert life.record.wake == 0.0
    life.act(21, acting=True)
    life.ticks(22, 30)
    assert said(life) == []
