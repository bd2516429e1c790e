"""Why a lead is at risk, in words, against its own norm: the three families that raise the risk most, the two that lower it."""

import numpy as np

from schemas.assessments import Reason
from streams.features import Floats
from streams.risk import FAMILIES
from streams.vector import COLUMN

RAISING, PROTECTING = 3, 2
SMALLEST_EFFECT = 0.05
"""Effects under this many log-odds are not worth a word."""


def reasons_of(effects: Floats, x: Floats) -> tuple[Reason, ...]:
    """Top reasons of one lead.

    Args:
        effects: log-odds per family, as `Scorer.effects` gives them for one row.
        x: the lead's feature vector.
    """
    order = np.argsort(effects, kind="stable")
    raising = [i for i in order[::-1] if effects[i] >= SMALLEST_EFFECT][:RAISING]
    protecting = [i for i in order if effects[i] <= -SMALLEST_EFFECT][:PROTECTING]
    return tuple(
        Reason(
            family=FAMILIES[i], text=in_words(FAMILIES[i], x, raises=effects[i] > 0), effect=round(float(effects[i]), 3)
        )
        for i in (*raising, *protecting)
    )


def in_words(family: str, x: Floats, *, raises: bool) -> str:  # noqa: PLR0911 - a table of sentences
    """One sentence about a family of features, with the lead's own numbers."""

    def value(name: str) -> float | None:
        v = float(x[COLUMN[name]])
        return None if v != v else v  # noqa: PLR0124 - NaN

    silent, gap = value("silent_days") or 0.0, value("usual_gap_days")
    match family:
        case "silence":
            return f"silent {_days(silent)}" + (f", usually {_days(gap)} between signs of life" if gap else "")
        case "trend":
            return "activity is fading" if raises else "activity is picking up"
        case "history":
            n = int(value("key_events") or 0)
            return f"{n} sign{'s' if n != 1 else ''} of life so far"
        case "value":
            return f"{(value('money_total') or 0) / 100:,.0f} spent so far"
        case "unanswered":
            return f"{100 * (value('unanswered_share') or 0):.0f} % of our contacts stayed unanswered"
        case "trouble":
            return "recent trouble: tickets, cancellations or missed appointments" if raises else "no recent trouble"
        case "payment":
            return "recent payment trouble" if raises else "payments in order"
        case "mood":
            return f"last ratings average {100 * (value('mood') or 0):.0f} of 100"
        case _:
            since = value(f"days_since_{family}")
            return f"no {family} yet" if since is None else f"last {family} {_days(since)} ago"


def _days(days: float) -> str:
    return f"{days:.0f} days" if round(days) != 1 else "1 day"
