"""Journeys: what moves a lead on or back, what is told of it, and that no more is kept than the policy names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.journey import where_to
from streams.lifecycle import Journey
from streams.progress import ENOUGH, Progress, success_in_words, wilson
from streams.state import decode_record, encode_record
from tests.unit.lives import Life

STAGES: list[dict[str, Any]] = [
    {"name": "prospect", "done_on": ["viewing_booked"], "milestones": ["price_alert_set"]},
    {"name": "deciding", "done_on": ["offer_made"], "blockers": ["payment_failed"], "typical_days": 10},
    {"name": "negotiating", "done_on": ["contract_signed", "offer_made"], "back_on": ["offer_withdrawn"]},
    {"name": "client"},
]
JOURNEY = Journey.model_validate({"stages": STAGES, "follow_crm": True})
KINDS = (
    "viewing_booked",
    "price_alert_set",
    "offer_made",
    "offer_withdrawn",
    "contract_signed",
    "payment_failed",
    "item_viewed",
)


@pytest.mark.parametrize(
    ("here", "kind", "crm", "there"),
    [
        (0, "viewing_booked", None, 1),
        (0, "offer_made", None, 2),  # the nearest stage that it completes
        (1, "offer_made", None, 2),
        (2, "offer_made", None, 3),
        (0, "contract_signed", None, 3),
        (2, "offer_withdrawn", None, 1),
        (1, "offer_withdrawn", None, 1),
        (3, "contract_signed", None, 3),
        (2, "viewing_booked", None, 2),
        (3, "crm_stage_changed", "Deciding", 1),
        (0, "crm_stage_changed", "somewhere else", 0),
    ],
)
def test_where_an_event_leads(here: int, kind: str, crm: str | None, there: int) -> None:
    assert where_to(JOURNEY, here, kind, crm) == there


@given(here=st.integers(0, 3), kind=st.sampled_from(KINDS))
def test_a_move_goes_on_or_one_stage_back_and_never_out(here: int, kind: str) -> None:
    there = where_to(JOURNEY, here, kind)
    assert 0 <= there < 4
    assert there >= here - 1
    assert there == here or kind in {*STAGES[max(there - 1, 0)].get("done_on", ()), *STAGES[here].get("back_on", ())}


def living(**journey: Any) -> Life:
    """A lead of a policy with this journey and no campaigns."""
    life = Life({"journey": {"stages": STAGES, **journey}, "campaigns": {}})
    life.tell(0, "item_viewed", item="x")
    return life


def told(life: Life) -> list[tuple[str, str, float]]:
    """Change, stage and completion of what was told of the journey."""
    return [(t["change"], t["stage"], t["completion"]) for t in life.told if t["type"] == "journey_progressed"]


def custom(life: Life, day: float, kind: str, **when: float) -> list[dict[str, Any]]:
    """An event of the vocabulary."""
    return life.tell(day, "custom", kind=kind, **when)


def test_milestones_and_blockers_are_told_once_and_the_past_is_told_with_the_move() -> None:
    life = living()
    for day in (1, 2):
        custom(life, day, "price_alert_set")
    custom(life, 3, "viewing_booked")
    life.tell(4, "payment_failed")
    life.tell(5, "payment_failed")
    assert told(life) == [("milestone", "prospect", 0.5), ("moved_on", "deciding", 0.0), ("blocked", "deciding", 0.0)]
    moved = next(t for t in life.told if t.get("change") == "moved_on")
    assert moved["left"] == {
        "stage": "prospect", "entered_at": "2026-01-05T15:00:00Z", "expected_exit_at": None, "days": 3.0, "skipped": [],
    }  # fmt: skip
    assert (moved["entered_at"], moved["expected_exit_at"]) == ("2026-01-08T15:00:00Z", "2026-01-18T15:00:00Z")
    assert life.told[-1]["type"] != "journey_progressed" or life.told[-1]["blockers"] == ["payment_failed"]


def test_stages_that_were_passed_over_are_named() -> None:
    life = living()
    custom(life, 3, "contract_signed")
    (moved,) = [t for t in life.told if t["type"] == "journey_progressed"]
    assert (moved["stage"], moved["order"], moved["of"]) == ("client", 4, 4)
    assert moved["left"]["skipped"] == ["deciding", "negotiating"]


def test_who_stays_too_long_is_stuck_and_that_is_told_once() -> None:
    life = living()
    custom(life, 1, "viewing_booked")
    life.ticks(2, 60)
    assert told(life)[1:] == [("stalled", "deciding", 0.0)]
    stuck = [t for t in life.told if t.get("change") == "stalled"]
    assert stuck[0]["at"].startswith("2026-01-26"), "twice the typical ten days after the sixth of January"
    custom(life, 61, "offer_made")
    assert told(life)[-1] == ("moved_on", "negotiating", 0.0)


def test_what_happened_before_the_stage_was_entered_moves_nothing() -> None:
    life = living()
    custom(life, 3, "contract_signed")
    custom(life, 4, "viewing_booked", happened=1)
    custom(life, 4, "offer_withdrawn", happened=2)
    assert [stage for _, stage, _ in told(life)] == ["client"]


def test_the_crm_moves_leads_only_where_the_policy_follows_it() -> None:
    for follows, stages in ((True, ["negotiating", "deciding"]), (False, [])):
        life = living(follow_crm=follows)
        life.tell(2, "crm_stage_changed", stage="Negotiating")
        life.tell(3, "crm_stage_changed", stage="deciding", direction="backward")
        assert [stage for _, stage, _ in told(life)] == stages


def test_a_lead_of_whom_nothing_was_heard_on_the_way_has_no_record_of_it() -> None:
    life = living()
    life.tell(1, "item_viewed", item="x")
    assert life.record.journey is None
    assert life.record.wake == 0.0


@given(kinds=st.lists(st.sampled_from(KINDS), max_size=40))
def test_what_is_kept_is_bounded_by_what_the_policy_names(kinds: list[str]) -> None:
    life = living()
    for i, kind in enumerate(kinds):
        (
            custom(life, 1 + i / 4, kind)
            if kind not in {"payment_failed", "item_viewed"}
            else life.tell(1 + i / 4, kind, **ITEM[kind])
        )
    record = life.record
    assert decode_record(encode_record(record)) == record
    if record.journey is not None:
        stage = JOURNEY.stages[JOURNEY.index[record.journey.stage]]
        assert set(record.journey.heard) <= set(stage.milestones)
        assert set(record.journey.blocked) <= set(stage.blockers)


ITEM: dict[str, dict[str, Any]] = {"payment_failed": {}, "item_viewed": {"item": "x"}}


def passages(through: int, back: int, stuck: int, still: int) -> Progress:
    """So many leads that left a stage, or did not."""
    progress, n = Progress(), 0
    for change, count in (("moved_on", through), ("moved_back", back), ("stalled", stuck), ("milestone", still)):
        for _ in range(count):
            n += 1
            entered = f"2026-01-05T{n % 24:02}:00:00Z"
            one: dict[str, Any] = {
                "journey": "j",
                "tenant": "acme",
                "lead": f"L{n}",
                "change": change,
                "stage": "s",
                "order": 1,
                "entered_at": entered,
                "left": None,
            }
            if change.startswith("moved"):
                one |= {"stage": "t", "left": {"stage": "s", "entered_at": entered, "days": float(n)}}
            progress.take([one, one])
    return progress


def test_success_is_counted_of_those_who_settled_and_is_told_only_where_they_are_enough() -> None:
    many, few = passages(21, 4, 5, 50), passages(3, 1, 0, 50)
    found = many.success("j", "s")
    assert (found.through, found.settled, found.share) == (21, 30, 0.7)
    assert many.usual_days("j", "s") == 11.0
    assert success_in_words(found, None, None) == "70%: 21 of 30 that settled got through (95 % between 52% and 83%)"
    said = success_in_words(few.success("j", "s"), 0.4, "the books")
    assert said == f"not enough data: 4 settled in this stage, {ENOUGH} are needed; the policy states 40% (the books)"
    assert few.usual_days("j", "nowhere") is None


def test_the_interval_is_wilsons() -> None:
    """Against the worked values of Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, and 15 of 148."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)
