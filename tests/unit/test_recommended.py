"""What a person is advised to do: what is left of the playbook and may be done, the most promising first."""

from __future__ import annotations

from typing import Any

import pytest

from streams.advised import advised
from streams.risk import RuleScorer
from tests.unit.lives import Life

MAIL = {"channel": "email", "template": "early_warning.email"}
STEPS = [
    {"name": "letter", "action": "market_update", "effect": 0.1, **MAIL},
    {"name": "gift", "action": "special_offer", "effect": 0.3, "cost_cents": 500, "delay_hours": 900, **MAIL},
    {"name": "call", "action": "immediate_call", "channel": "crm_task", "template": "critical_risk.crm_task",
     "effect": 0.2, "delay_hours": 900},
    {"name": "text", "action": "schedule_meeting", "channel": "sms", "template": "active_risk.sms", "effect": 0.25,
     "delay_hours": 900},
]  # fmt: skip
NEXT = [
    {"name": "senior", "action": "agent_escalation", "channel": "agent_alert", "template": "active_risk.agent_alert"}
]
PLAYBOOKS: dict[str, Any] = {
    "playbooks": {"early_warning": {"steps": STEPS}, "active_risk": {"steps": NEXT}, "critical_risk": {"steps": []}},
    "stages": {"active_risk": 0.998, "critical_risk": 0.999},
    "channels": {"sms": {"consent": "opt_in"}},
    "lead_value_cents": 100_000,
}


def _asked(
    changes: dict[str, Any] | None = None, consent: dict[str, bool] | None = None, **profile: Any
) -> dict[str, Any]:
    """The context of an escalation on day 14, in early warning; the letter has gone out."""
    life = Life({**PLAYBOOKS, **(changes or {})}, **profile)
    for channel, allowed in (consent or {}).items():
        life.tell(0.1, "consent_changed", channel=channel, allowed=allowed)
    life.grow_silent(14)
    life.tell(14.1, "escalate_lead", reason="please", by="ann")
    told: dict[str, Any] = next(t for t in reversed(life.told) if t["type"] == "lead_escalated")
    assert told["stage"] == "early_warning"
    assert len(life.commands("email")) == 1, "the letter"
    return told


@pytest.mark.parametrize(
    ("consent", "profile", "left"),
    [
        ({}, {}, ["special_offer", "immediate_call"]),
        ({"sms": True}, {"phone": "+12125550100"}, ["special_offer", "schedule_meeting", "immediate_call"]),
        ({"sms": True}, {}, ["special_offer", "immediate_call"]),
        ({"phone": False}, {}, ["special_offer"]),
        ({}, {"value_cents": 1_000}, ["immediate_call", "special_offer"]),
    ],
    ids=["no opt-in", "all", "no number", "no calls", "the gift costs more than it brings"],
)
def test_what_is_left_and_allowed_by_what_it_is_expected_to_bring(
    consent: dict[str, bool], profile: dict[str, Any], left: list[str]
) -> None:
    assert _asked(consent=consent, **profile)["recommended"] == left


def test_where_nothing_is_left_it_is_the_next_stages_playbook() -> None:
    only = {**PLAYBOOKS["playbooks"], "early_warning": {"steps": STEPS[:1]}}
    assert _asked({"playbooks": only})["recommended"] == ["agent_escalation"]


def test_where_no_value_is_known_the_effect_decides() -> None:
    assert _asked({"lead_value_cents": None})["recommended"] == ["special_offer", "immediate_call"]


def test_what_a_lead_is_worth_is_told_with_where_that_is_known_from() -> None:
    told = _asked(value_cents=70_000)
    assert (told["value_cents"], told["value_source"]) == (70_000, "profile")
    assert (_asked()["value_cents"], _asked()["value_source"]) == (None, None)
    life = Life(PLAYBOOKS)
    life.tell(0.5, "purchase_completed", amount_cents=12_000)
    life.tell(1, "escalate_lead", reason="please", by="ann")
    told = life.told[-1]
    assert told["value_source"] == "predicted"
    assert told["value_cents"] > 0


def _durable(life: Life) -> dict[bytes, bytes | None]:
    """What goes to `lead.state`."""
    return {key: value for some in life.partition.changes() for key, value in some}


def test_on_request_it_is_the_same_from_what_is_durable() -> None:
    """`lead explain`; asking changes nothing, and of a closed lead nothing is advised."""
    life = Life(PLAYBOOKS)
    life.grow_silent(14)
    first = _durable(life)

    def asked(state: dict[bytes, bytes | None]) -> tuple[str, ...]:
        records = [(key, value, 0) for key, value in state.items()]
        now = life.partition.state.now
        return advised(records, "acme", life.lead, life.world, RuleScorer(), now)

    assert asked(first) == asked(first) == ("special_offer", "immediate_call")
    life.tell(14.1, "escalate_lead", reason="please", by="ann")
    assert asked(first) == tuple(life.told[-1]["recommended"])
    life.tell(14.2, "lead_closed", outcome="lost")
    assert asked(first | _durable(life)) == ()
