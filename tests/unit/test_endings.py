"""Closed, gone, erased: who reads what we publish is told that it is over."""

from __future__ import annotations

from typing import Any

from tests.unit.lives import Life


def _last(life: Life) -> dict[str, Any]:
    return [t for t in life.told if t["type"] == "lead_assessed"][-1]


def test_a_closed_lead_is_in_no_stage_and_that_is_published() -> None:
    """The risk stays as it was last said: nothing new is known of it. Without a stage nothing has to be said."""
    life = Life()
    life.grow_silent(20)
    before = _last(life)
    assert before["stage"] == "active_risk"
    life.tell(20.5, "lead_closed", outcome="lost")
    after = _last(life)
    assert (after["previous_stage"], after["stage"]) == ("active_risk", "none")
    assert (after["seq"], after["change"]) == (before["seq"] + 1, 0.0)
    calm = Life()
    calm.tell(1, "item_viewed", item="listing-1")
    assert {said["type"] for said in calm.tell(2, "lead_closed", outcome="won")} == {"journey_progressed"}


def test_a_lead_that_is_gone_is_in_no_stage_and_that_is_published() -> None:
    """Whether it went quiet before our eyes or long before we first looked."""
    life = Life()
    life.grow_silent(110)
    assert life.record.gone
    assert _last(life)["stage"] == "none"
    found = Life()
    found.tell(1, "item_viewed", item="listing-1")
    found.ticks(120, 121)
    assert found.record.gone
    assert [t["stage"] for t in found.told if t["type"] == "lead_assessed"][-2:] == ["critical_risk", "none"]


def test_an_erasure_ends_what_others_wait_for() -> None:
    """Open escalations are resolved without saying who it was, and the episode closes once."""
    life = Life()
    life.grow_silent(30)
    assert life.record.escalations
    told = life.tell(30.5, "erase_lead", by="privacy-desk")
    resolved = [t for t in told if t["topic"] == "escalations"]
    assert [(t["status"], t["outcome"], t["name"]) for t in resolved] == [("resolved", "erased", None)]
    closed = [t for t in told if t["type"] == "episode_closed"]
    assert [(t["outcome"], t["value_cents"]) for t in closed] == [("expired", 0)]
    assert all(t["final"] for t in told if t["type"] == "intervention_tracked")
