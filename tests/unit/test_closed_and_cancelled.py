"""What is taken back when a lead is closed or an operator cancels, and that nothing is begun for a closed lead."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.lives import Life
from tests.unit.test_arbiter import decisions, ordered, own

END: dict[str, dict[str, Any]] = {
    "cancel_interventions": {"by": "kim"},
    "lead_closed": {"outcome": "lost"},
    "erase_lead": {"by": "kim"},
}


@pytest.mark.parametrize("end", END)
def test_also_calls_and_what_staff_was_asked_is_taken_back(end: str) -> None:
    """As far as nobody has confirmed it as out."""
    life = Life()
    life.tell(0, "item_viewed", item="x")
    ordered(life, 1, own("immediate_call", "crm_task"), own("agent_escalation", "agent_alert"), own())
    sent = {t["channel"]: t["id"] for t in life.told if t["type"] == "deliver_intervention"}
    life.tell(1.1, "receipt", intervention=sent["agent_alert"], channel="agent_alert", status="delivered")
    life.tell(1.2, end, **END[end])
    taken_back = {t["channel"]: t["id"] for t in life.told if t["type"] == "withdraw_intervention"}
    assert taken_back == {channel: sent[channel] for channel in ("crm_task", "email")}


def campaign() -> dict[str, Any]:
    """One that somebody may begin."""
    step = {"name": "say", "action": "market_update", "channel": "email", "template": "early_warning.email"}
    return {"trigger": {"type": "event", "kinds": ["item_saved"]}, "steps": [step]}


def test_nothing_is_begun_for_a_closed_lead_until_it_is_back() -> None:
    life = Life({"campaigns": {"hello": campaign()}})
    life.tell(0, "item_viewed", item="x")
    life.tell(1, "lead_closed", outcome="lost")
    ordered(life, 2, own())
    life.tell(2, "trigger_intervention", stage="critical_risk", by="kim")
    life.tell(2, "begin_campaign", campaign="hello", by="kim")
    life.ticks(3, 5)
    assert [t for t in life.told if t["type"] == "deliver_intervention"] == []
    held = [*decisions(life, "trigger"), *decisions(life, "hello")]
    assert [(d["verdict"], d["rule"], d["detail"]) for d in held] == [
        ("held", "closed", "ordered by kim; the lead was closed as lost")
    ] * 3
    assert len({d["id"] for d in held}) == 3
    assert life.record.episode is None
    life.tell(6, "item_viewed", item="y")
    ordered(life, 7, own())
    assert decisions(life, "ordered_1")[-1]["verdict"] == "sent"


def test_nor_does_another_channel_take_over_what_fails_after_the_closing() -> None:
    life = Life({"campaigns": {"hello": campaign() | {"steps": [campaign()["steps"][0] | {"fallback": ["in_app"]}]}}})
    life.tell(0, "item_viewed", item="x")
    life.tell(1, "begin_campaign", campaign="hello", by="kim")
    (mail,) = life.commands("email")
    life.tell(1.1, "receipt", intervention=mail, channel="email", status="sending")
    life.tell(2, "lead_closed", outcome="churned")
    life.tell(2.1, "receipt", intervention=mail, channel="email", status="bounced")
    last = decisions(life, "say")[-1]
    assert (last["channel"], last["verdict"], last["rule"]) == ("in_app", "held", "closed")
    assert last["detail"] == "the lead was closed as churned"
