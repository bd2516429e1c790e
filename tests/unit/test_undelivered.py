"""Nothing gets through: a person is asked, once in an episode, and not where something is left or the lead is back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.lives import Life
from tests.unit.test_arbiter import ordered, own


def asked(life: Life) -> list[str]:
    """Why somebody was asked to step in."""
    return [t["reason"] for t in life.told if t["type"] == "lead_escalated" and t["status"] == "open"]


def sent(*ways: str, undelivered: int = 3) -> Life:
    """A lead that an operator has written to, by these channels, on day 1."""
    life = Life({"escalation": {"undelivered": undelivered}})
    life.tell(0, "item_viewed", item="x")
    ordered(life, 1, *(own(("special_offer", "market_update")[i % 2], way) for i, way in enumerate(ways)))
    return life


def fail(life: Life, day: float, channel: str, which: int = 0, status: str = "failed", **more: Any) -> None:
    """What was sent by a channel comes to this."""
    life.tell(day, "receipt", intervention=life.commands(channel)[which], channel=channel, status=status, **more)


def test_when_all_of_a_stage_failed_and_only_once() -> None:
    life = sent("email", "in_app")
    fail(life, 1.1, "email", status="bounced")
    assert asked(life) == [], "one may still arrive"
    fail(life, 1.2, "in_app")
    assert asked(life) == ["nothing of critical_risk got through"]
    ordered(life, 4, own("market_update", "in_app"))
    fail(life, 4.1, "in_app", 1)
    assert len(asked(life)) == 1


def test_when_so_many_failed_though_one_arrived() -> None:
    life = sent("in_app", "in_app", "in_app")
    fail(life, 1.1, "in_app", 0, "delivered")
    fail(life, 1.2, "in_app", 1)
    fail(life, 1.3, "in_app", 2)
    assert asked(life) == []
    few = sent("in_app", "in_app", "in_app", undelivered=2)
    fail(few, 1.1, "in_app", 0, "delivered")
    fail(few, 1.2, "in_app", 1)
    fail(few, 1.3, "in_app", 2)
    assert asked(few) == ["2 messages did not get through"]


@pytest.mark.parametrize("why", ["never", "taken back", "back", "staff"])
def test_not_where_the_policy_says_never_or_there_is_no_need(why: str) -> None:
    life = sent("agent_alert" if why == "staff" else "in_app", undelivered=0 if why == "never" else 3)
    if why == "taken back":
        life.tell(1.1, "cancel_interventions", by="kim")
    if why == "back":
        life.tell(1.1, "item_viewed", item="y")
    fail(life, 1.2, "agent_alert" if why == "staff" else "in_app")
    assert asked(life) == []


def test_also_where_the_last_channel_may_not_be_used() -> None:
    """The mail bounces, and the lead allows nothing else."""
    life = Life()
    life.tell(0, "consent_changed", channel="in_app", allowed=False)
    life.grow_silent(20)
    fail(life, 20.1, "email", status="bounced")
    assert asked(life) == ["nothing of early_warning got through"]
