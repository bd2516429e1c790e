"""What is refused, and what is kept of a lead for how long: policies, orders, contacts, escalations, interventions."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from schemas.errors import PolicyInvalid, Rejected, RejectReason
from schemas.units import Channel, DeliveryStatus
from streams.caps import WEEK, trim
from streams.record import Contact, Intervention
from streams.track import forget_old
from streams.validate import parse
from tests.unit.lives import CALM, Life
from tests.worlds import START, policy


def test_a_contact_is_kept_as_long_as_any_rest_looks_back() -> None:
    """A rest of ten days is a rest of ten days, over all channels or by one."""
    for changes in (
        {"caps": {**CALM["caps"], "cooldown_hours": 240}},
        {"channels": {**CALM["channels"], "email": {"max_per_week": 9, "min_gap_hours": 240}}},
    ):
        life = Life(changes)
        life.tell(1, "item_viewed", item="listing-1")
        life.tell(3, "trigger_intervention", stage="early_warning", by="kim")
        life.tell(11, "trigger_intervention", stage="early_warning", by="kim")
        assert len(life.commands("email")) == 1
        assert [t["rule"] for t in life.told if t["type"] == "decided"][-1] == "cooldown"
    contacts = [Contact(0.0, Channel.EMAIL)]
    assert trim(contacts, WEEK, 240) == contacts
    assert trim(contacts, 240 * 3600.0, 240) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"quiet_hours": {"timezone": "America/Gotham"}}, ["quiet_hours.timezone", "IANA", "America/New_York"]),
        ({"quiet_hours": {"timezone": ""}}, ["quiet_hours.timezone", "IANA"]),
        ({"episodes": {"converting": ["purchase"]}}, ["episodes.converting", "'purchase'", "[vocabulary.purchase]"]),
        ({"episodes": {"converting": ["custom"]}}, ["episodes.converting", "'custom'"]),
        ({"episodes": {"converting": ["crm_stage_changed"]}}, ["episodes.converting", "sign of life", "key = true"]),
    ],
)
def test_a_policy_that_could_never_work_is_refused(changes: dict[str, Any], words: list[str]) -> None:
    """The text names the key and the remedy."""
    with pytest.raises(PolicyInvalid) as refused:
        policy(changes)
    assert all(word in str(refused.value) for word in words), refused.value


def test_conversions_are_event_types_or_kinds_of_the_vocabulary() -> None:
    """A call counts too."""
    signed = {"deed_signed": {"family": "purchase", "key": True}}
    names = ["deed_signed", "call_completed", "purchase_completed"]
    assert policy({"vocabulary": signed, "episodes": {"converting": names}}).episodes.converting == set(names)


def test_an_order_for_stage_none_is_refused() -> None:
    """It would open an episode in which nothing happens."""
    at = START.isoformat()
    body = {"v": 1, "type": "trigger_intervention", "id": "o", "tenant": "acme", "lead": "L", "at": at, "by": "kim"}
    with pytest.raises(Rejected) as refused:
        parse(b"acme:L", json.dumps({**body, "stage": "none"}).encode(), -1)
    assert (refused.value.reason, refused.value.field) == (RejectReason.INVALID_VALUE, "stage")
    assert refused.value.message == "Input should be 'early_warning', 'active_risk' or 'critical_risk'"
    assert parse(b"acme:L", json.dumps({**body, "stage": "active_risk"}).encode(), -1)


def test_a_snooze_until_a_time_that_is_over_is_refused() -> None:
    """It would ask again at once, and nobody would know why."""
    body = {"v": 1, "type": "snooze_escalation", "id": "o", "tenant": "acme", "lead": "L", "at": "2026-03-03T14:00:00Z"}
    body |= {"escalation": "esc-1", "by": "kim", "reason": "later"}
    with pytest.raises(Rejected) as refused:
        parse(b"acme:L", json.dumps({**body, "until": "2026-03-03T15:00:00+01:00"}).encode(), -1)
    assert (refused.value.reason, refused.value.field) == (RejectReason.INVALID_VALUE, "until")
    assert (refused.value.message, refused.value.remedy) == (
        "is not later than `at`, when it was ordered",
        "send a time to come",
    )
    assert parse(b"acme:L", json.dumps({**body, "until": "2026-03-03T14:00:01Z"}).encode(), -1)


def test_open_escalations_are_bounded_and_the_oldest_gives_way() -> None:
    """Whoever watches is told which."""
    life = Life()
    for i in range(23):
        life.tell(1 + i / 100, "escalate_lead", reason=f"reason {i}", by="kim")
    assert [o.reason for o in life.record.escalations] == [f"reason {i}" for i in range(3, 23)]
    told = [(t["reason"], t["outcome"]) for t in life.told if t["topic"] == "escalations" and t["status"] == "resolved"]
    assert told == [(f"reason {i}", "superseded") for i in range(3)]


def test_steps_that_wait_by_order_are_bounded() -> None:
    """Each that is not taken on is written down."""
    life = Life()
    life.tell(1, "item_viewed", item="listing-1")
    for i in range(53):  # the personal e-mail of this stage waits for an hour
        life.tell(1 + i / 10_000, "trigger_intervention", stage="active_risk", by="kim")
    episode = life.record.episode
    assert episode
    # With 49 of these waiting, the first step of the next order is the fiftieth; it goes out at once.
    assert Counter(p.step for p in episode.planned) == {"personal_email": 49}
    held = [t for t in life.told if t["type"] == "decided" and t["verdict"] == "held"]
    assert {(t["rule"], t["step"]) for t in held} >= {("operator", "personal_email")}
    assert all("50 steps ordered by operators are waiting" in t["detail"] for t in held)
    assert len({t["id"] for t in held}) == len(held)


def _past(n: int, *, by: str = "", final: bool = True) -> Intervention:
    return Intervention(
        f"i{n}", 0.0, 1, 1, "s", Channel.EMAIL, False, 0.0, status=DeliveryStatus.DELIVERED, final=final, by=by
    )


def test_finished_orders_are_forgotten_also_in_a_long_episode() -> None:
    """The last ten stay; so do open ones, and the playbook's, which must not go out twice in an episode."""
    orders = [_past(n, by="op") for n in range(30)]
    playbook, still_open = [_past(n) for n in range(30, 45)], _past(99, by="op", final=False)
    assert forget_old([still_open, *orders, *playbook], 1) == [still_open, *orders[-10:], *playbook]
