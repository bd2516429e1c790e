"""Health 0 (worst) to 100 with its parts, and confidence. A part without data is absent, not zero."""

from collections.abc import Sequence

import numpy as np

from schemas.assessments import HealthPart
from streams.explain import days, in_words
from streams.features import Floats
from streams.vector import COLUMN

PARTS = ("overall", "engagement", "satisfaction", "payment", "responsiveness")
"""Columns of `health`."""


def health(x: Floats) -> Floats:
    """Health of leads from their feature vectors, one row each, columns as `PARTS`; NaN where there is no data.

    engagement halves with every 2 usual gaps of silence (14 days where no gap is known); satisfaction is the mood;
    payment and responsiveness are the shares of payments and contacts that went well, over about a month; overall is
    the mean of those that are known.
    """
    ratio = x[:, COLUMN["silence_ratio"]]
    ratio = np.where(np.isnan(ratio), x[:, COLUMN["silent_days"]] / 7.0, ratio)
    parts = [
        100.0 * np.exp2(-ratio / 2),
        _percent(x[:, COLUMN["mood"]]),
        _percent(1 - x[:, COLUMN["payment_trouble_share"]]),
        _percent(1 - x[:, COLUMN["unanswered_share"]]),
    ]
    total, known = np.zeros(len(x)), np.zeros(len(x))
    for part in parts:  # one after the other: the order of a sum is part of its last bit
        there = ~np.isnan(part)
        total += np.where(there, part, 0.0)
        known += there
    return np.asarray(np.round(np.stack([total / known, *parts], axis=1), 1))


def health_in_words(x: Floats, parts: Sequence[float]) -> tuple[HealthPart, ...]:
    """Why the parts of one lead's health (its row of `health`) are what they are; those without data are left out."""
    scores = dict(zip(PARTS, parts, strict=True))
    gap = float(x[COLUMN["usual_gap_days"]])
    held = f"usually {days(gap)} between them" if gap == gap else "held against a week"  # noqa: PLR0124 - NaN
    words = {
        "engagement": f"last sign of life {days(float(x[COLUMN['silent_days']]))} ago, {held}",
        "satisfaction": in_words("mood", x, raises=False),
        "payment": f"{scores['payment']:.0f} % of recent payments went through",
        "responsiveness": f"{scores['responsiveness']:.0f} % of our recent contacts were answered",
    }
    return tuple(
        HealthPart.model_validate({"part": part, "score": scores[part], "text": text})
        for part, text in words.items()
        if scores[part] == scores[part]
    )


def _percent(share: Floats) -> Floats:
    return np.asarray(100.0 * np.clip(share, 0.0, 1.0))


def confidence(x: Floats, p: Floats) -> Floats:
    """0.6 x how much of the lead is known + 0.4 x how far the probability is from a coin toss (seed formula)."""
    known = np.minimum(x[:, COLUMN["key_events"]] / 5.0, 1.0)
    return np.asarray(np.round(0.6 * known + 0.4 * 2 * np.abs(p - 0.5), 3))
