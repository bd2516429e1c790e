"""What is said on a rise: what has changed since when, what the health is made of, what the lead is worth."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.assessments import HealthPart, LeadAssessed
from schemas.topics import ASSESSMENTS
from streams.explain import shift_of
from streams.features import Floats
from streams.health import health, health_in_words
from streams.risk import FAMILIES
from streams.value import future_value_cents
from streams.vector import COLUMN, NAMES
from tests.unit.lives import Life
from tests.worlds import START

THEN = datetime(2026, 1, 5, tzinfo=UTC)


def _x(**values: float) -> Floats:
    x = np.full(len(NAMES), np.nan)
    for name, value in ({"silent_days": 0.0, "key_events": 0.0} | values).items():
        x[COLUMN[name]] = value
    return x


def _effects(**values: float) -> Floats:
    return np.array([values.get(family, 0.0) for family in FAMILIES])


def test_a_shift_names_what_moved_it_most_in_the_way_it_went() -> None:
    x = _x(
        silent_days=9, usual_gap_days=2, days_since_reply=9, unanswered_30d=2.2, unanswered_share=0.5, trouble_30d=0.8
    )
    moved = _effects(reply=0.6, unanswered=0.3, silence=0.2, trouble=0.1, history=-0.4, value=0.01)
    up = shift_of(moved, x, THEN, 0.1399)
    assert up.text == (
        "+0.14: no reply in 9 days, 2 contacts unanswered or declined lately (50 % of ours), "
        "silent 9 days, usually 2 days between signs of life"
    )
    assert [(part.family, part.effect) for part in up.parts] == [("reply", 0.6), ("unanswered", 0.3), ("silence", 0.2)]
    down = shift_of(_effects(reply=0.1, purchase=-0.9), _x(days_since_purchase=0.4), THEN, -0.2)
    assert (down.text, down.change) == ("-0.20: last purchase 0 days ago", -0.2)
    assert shift_of(_effects(), x, THEN, 0.0).text == "+0.00: nothing in particular"


def _health_in_words(x: Floats) -> tuple[HealthPart, ...]:
    return health_in_words(x, health(x[None, :])[0].tolist())


def test_parts_of_health_are_told_and_what_is_unknown_is_left_out() -> None:
    (alone,) = _health_in_words(_x(silent_days=14))
    assert (alone.part, alone.score) == ("engagement", 50.0)
    assert alone.text == "last sign of life 14 days ago, held against a week"
    told = _health_in_words(
        _x(
            silent_days=4,
            usual_gap_days=2,
            silence_ratio=2,
            mood=0.62,
            payment_trouble_share=0.25,
            unanswered_share=0.1,
        )
    )
    assert [(part.part, part.score, part.text) for part in told] == [
        ("engagement", 50.0, "last sign of life 4 days ago, usually 2 days between them"),
        ("satisfaction", 62.0, "ratings and messages average 62 of 100"),
        ("payment", 75.0, "75 % of recent payments went through"),
        ("responsiveness", 90.0, "90 % of our recent contacts were answered"),
    ]


def test_the_future_value_can_be_checked_by_hand() -> None:
    """300.00 in 146 days are 750.00 a year; p = 10 % in 365 days: 750 x 0.9 / (1.1 - 0.9)."""
    x = _x(money_total=30_000, active_span_days=100, silent_days=46)
    assert future_value_cents(x, 0.1, 365.0) == pytest.approx(75_000 * 0.9 / 0.2)
    fresh = _x(money_total=30_000, active_span_days=0, silent_days=1)
    assert future_value_cents(fresh, 0.1, 365.0) == pytest.approx(30_000 * 365 / 90 * 0.9 / 0.2, abs=0.01)
    assert future_value_cents(_x(money_total=0, active_span_days=1), 0.1, 365.0) is None
    assert future_value_cents(_x(money_total=-5_000, active_span_days=1), 0.1, 365.0) is None, "refunded"


@given(st.floats(0, 1), st.floats(0, 1), st.floats(1, 1e9), st.floats(0, 5_000), st.floats(0, 2_000))
def test_the_future_value_falls_with_the_risk(p: float, q: float, cents: float, span: float, silent: float) -> None:
    x = _x(money_total=cents, active_span_days=span, silent_days=silent)
    calm, wild = (future_value_cents(x, risk, 30.0) for risk in sorted((p, q)))
    assert calm is not None
    assert wild is not None
    assert calm >= wild >= 0
    assert np.isfinite(calm)


def _rises(life: Life) -> list[dict[str, Any]]:
    """Assessments with which a stage was entered or left."""
    return [a for a in life.told if a["topic"] == ASSESSMENTS.name and a.get("insight")]


def test_each_rise_tells_what_has_changed_since_the_last() -> None:
    life = Life({"stages": {"critical_risk": 0.999}})  # there, an escalation would keep the episode open
    life.tell(0.5, "purchase_completed", amount_cents=12_000)
    life.grow_silent(24)
    first, *later = _rises(life)
    assert (first["previous_stage"], first["stage"]) == ("none", "early_warning")
    insight = LeadAssessed.model_validate({k: v for k, v in first.items() if k != "topic"}).insight
    assert insight is not None
    assert insight.shift is not None
    assert insight.shift.since == START + timedelta(days=8), "its newest event"
    assert insight.shift.parts[0].family == "silence"
    assert insight.shift.text.startswith(f"{insight.shift.change:+.2f}: silent ")
    assert insight.shift.change > 0
    assert insight.retention == pytest.approx(1 - first["probability"])
    assert insight.future_value_cents is not None
    assert [part.part for part in insight.health] == ["engagement", "payment"]
    assert later, "it rises further"
    for before, rise in zip([first, *later], later, strict=False):
        shift = rise["insight"]["shift"]
        assert shift["since"] == before["at"]
        assert shift["change"] == pytest.approx(rise["probability"] - before["probability"], abs=1e-6)
        moved = sum(part["effect"] for part in shift["parts"])
        odds = [np.log(a["probability"] / (1 - a["probability"])) for a in (before, rise)]
        assert moved == pytest.approx(odds[1] - odds[0], abs=0.1), "the rule scorer's effects are its log-odds"
    assert life.record.told is not None
    life.tell(24.5, "message_received")
    fall = _rises(life)[-1]
    assert (fall["previous_stage"], fall["stage"]) == (later[-1]["stage"], "none"), "leaving says why as well"
    shift = fall["insight"]["shift"]
    assert shift["since"] == later[-1]["at"]
    assert shift["change"] == pytest.approx(fall["probability"] - later[-1]["probability"], abs=1e-6)
    assert shift["change"] < -0.1
    assert all(part["effect"] < 0 for part in shift["parts"])
    assert not fall.get("recommended"), "nothing is to be done about it"
    assert fall["insight"]["churn"] is None
    life.ticks(25, 27)
    assert life.record.told is None, "the episode is over"


def test_what_an_event_brings_has_nothing_to_be_compared_with() -> None:
    """The row from before it is not kept; and who only watches gets no insight."""
    life = Life({"stages": {"early_warning": 0.05, "grace_days": 0}})
    life.tell(0, "ticket_opened")
    life.tell(1, "appointment_missed")
    (rise,) = _rises(life)
    assert rise["cause"] in {"e1", "e2"}
    assert rise["insight"]["shift"] is None
    assert all(a.get("insight") is None for a in life.told if a not in _rises(life))
