"""Levels, health, reasons and ids: what is told of a lead."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.explain import in_words, reasons_of
from streams.health import PARTS, confidence, health
from streams.ids import bucket, derive, fingerprint
from streams.risk import FAMILIES, level_of
from streams.vector import COLUMN, NAMES


def test_levels_and_confidence() -> None:
    """Levels by threshold reached; the seed's formula for confidence."""
    assert [level_of(p, (0.3, 0.6, 0.8)) for p in (0.29, 0.3, 0.6, 0.8, 1.0)] == [0, 1, 2, 3, 3]
    known, unknown = _x(key_events=5), _x(key_events=0)
    assert confidence(np.stack([known, known, unknown]), np.array([0.5, 1.0, 0.75])).tolist() == [0.6, 1.0, 0.2]


def _x(**values: float) -> Any:
    x = np.full(len(NAMES), np.nan)
    for name in ("silent_days", "key_events"):
        x[COLUMN[name]] = 0.0
    for name, value in values.items():
        x[COLUMN[name]] = value
    return x


def test_health_has_parts_and_what_is_unknown_is_absent() -> None:
    """Engagement halves with every two usual gaps; the rest are shares; overall is the mean of what is known."""
    bare = _x(silent_days=14.0)
    full = _x(silence_ratio=2.0, mood=0.8, payment_trouble_share=0.25, unanswered_share=0.5)
    found = [dict(zip(PARTS, row, strict=True)) for row in health(np.stack([bare, full])).tolist()]
    assert {part for part, value in found[0].items() if value != value} == {  # noqa: PLR0124 - NaN
        "satisfaction",
        "payment",
        "responsiveness",
    }
    assert (found[0]["overall"], found[0]["engagement"]) == (50.0, 50.0)
    assert found[1] == {
        "overall": 63.8,
        "engagement": 50.0,
        "satisfaction": 80.0,
        "payment": 75.0,
        "responsiveness": 50.0,
    }


def test_reasons_are_in_words_with_the_leads_own_numbers() -> None:
    """Three that raise, two that lower, the largest first; trifles are not worth a word."""
    effects = np.zeros(len(FAMILIES))
    for family, effect in (
        ("silence", 3.0),
        ("unanswered", 0.4),
        ("trouble", 0.2),
        ("mood", 0.1),
        ("history", -0.6),
        ("value", -0.01),
    ):
        effects[FAMILIES.index(family)] = effect
    x = _x(silent_days=9.2, usual_gap_days=2.1, unanswered_30d=0.2, unanswered_share=1 / 3, key_events=1)
    told = reasons_of(effects, x)
    assert [(r.family, r.effect) for r in told] == [
        ("silence", 3.0),
        ("unanswered", 0.4),
        ("trouble", 0.2),
        ("history", -0.6),
    ]
    assert told[0].text == "silent 9 days, usually 2 days between signs of life"
    assert told[1].text == "a contact unanswered or declined a while ago (33 % of ours)"
    assert told[3].text == "1 sign of life so far"
    assert told[2].text == "no tickets, cancellations or missed appointments are known"
    assert in_words("payment", _x(payment_30d=0.1), raises=True) == "a failed payment or refund a while ago"
    nothing = _x(mood=np.nan, unanswered_share=np.nan)
    assert in_words("mood", nothing, raises=True) == "no ratings or messages of a mood are known"
    assert in_words("unanswered", nothing, raises=True) == "nothing of ours has asked for an answer"
    assert all(in_words(family, _x(), raises=raises) for family in FAMILIES for raises in (True, False))


def test_ids_never_change() -> None:
    """Golden values: another value here would send every message once more."""
    assert derive("int", "acme", "L1", "real_estate", 7, 1, "active_risk.call", "email") == GOLDEN["int"]
    assert derive("x", 1) == derive("x", "1") == GOLDEN["x"]
    assert bucket("holdout-1", "acme", "L1") == GOLDEN["bucket"]
    assert fingerprint("e1") == GOLDEN["fingerprint"]
    assert derive("x", "a", "b") != derive("x", "ab") != derive("x", "a\x1fb ")


GOLDEN: dict[str, Any] = {
    "int": "int-d6167457570d9bf571fe8278003a92",
    "x": "x-ec5bc0202174736888f13209156930",
    "bucket": 2361,
    "fingerprint": 292540415853092123,
}
