"""Health 0 (worst) to 100 with its parts, confidence, and time to churn as a band. A part without data is absent, not zero."""

from typing import Literal

from schemas.assessments import Health
from streams.features import Floats
from streams.vector import COLUMN

Band = Literal["<7", "7-14", "14-30", ">30"]


def health_of(x: Floats) -> Health:
    """Health of one lead from its feature vector.

    engagement halves with every 2 usual gaps of silence (14 days where no gap is known); satisfaction is the mood;
    payment and responsiveness are the shares of payments and contacts that went well, over about a month.
    """
    ratio = x[COLUMN["silence_ratio"]]
    ratio = ratio if ratio == ratio else x[COLUMN["silent_days"]] / 7.0  # noqa: PLR0124 - NaN is not equal to itself
    parts = {
        "engagement": 100 * 2 ** -(float(ratio) / 2),
        "satisfaction": _percent(x[COLUMN["mood"]]),
        "payment": _percent(1 - x[COLUMN["payment_trouble_share"]]),
        "responsiveness": _percent(1 - x[COLUMN["unanswered_share"]]),
    }
    known = [p for p in parts.values() if p is not None]
    return Health(
        overall=round(sum(known) / len(known), 1), **{k: None if p is None else round(p, 1) for k, p in parts.items()}
    )


def _percent(share: float) -> float | None:
    return None if share != share else 100 * min(max(float(share), 0.0), 1.0)  # noqa: PLR0124 - NaN


def confidence_of(x: Floats, probability: float) -> float:
    """0.6 x how much of the lead is known + 0.4 x how far the probability is from a coin toss (seed formula)."""
    known = min(float(x[COLUMN["key_events"]]) / 5.0, 1.0)
    return round(0.6 * known + 0.4 * 2 * abs(probability - 0.5), 3)


def band_of(level: int) -> Band:
    """Time left by level: critical under 7 days, high 7 to 14, medium 14 to 30, low more (seed 0's stages)."""
    bands: tuple[Band, ...] = (">30", "14-30", "7-14", "<7")
    return bands[level]
