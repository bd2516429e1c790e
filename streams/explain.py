"""Why a lead is at risk, in words, against its own norm: the three families that raise the risk most, the two that lower it.

And what has moved since an earlier moment: the same effects, as differences.
"""

from datetime import datetime

import numpy as np

from schemas.assessments import Reason, Shift
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


def shift_of(moved: Floats, x: Floats, since: datetime, change: float) -> Shift:
    """What moved the risk, most of all in the direction in which it went.

    Args:
        moved: log-odds per family, now less then.
        x: the lead's feature vector now.
        since: when `then` was.
        change: of the probability.
    """
    up = float(moved.sum()) >= 0
    order = np.argsort(-moved if up else moved, kind="stable")
    most = [i for i in order if (moved[i] if up else -moved[i]) >= SMALLEST_EFFECT][:RAISING]
    parts = tuple(
        Reason(family=FAMILIES[i], text=in_words(FAMILIES[i], x, raises=up), effect=round(float(moved[i]), 3))
        for i in most
    )
    words = ", ".join(part.text for part in parts) or "nothing in particular"
    return Shift(since=since, change=round(change, 6) + 0.0, text=f"{change:+.2f}: {words}", parts=parts)


_NOUN = {
    "browse": "visit to the site", "intent": "step forward", "reply": "reply", "visit": "appointment kept",
    "purchase": "purchase", "other": "other activity",
}  # fmt: skip


def in_words(family: str, x: Floats, *, raises: bool) -> str:  # noqa: PLR0911, PLR0912, C901 - a table of sentences
    """One sentence about a family of features, with the lead's own numbers."""

    def value(name: str) -> float | None:
        v = float(x[COLUMN[name]])
        return None if v != v else v  # noqa: PLR0124 - NaN

    def lately(one: str, many: str) -> str:
        """How many there were in about a month: the counter that halves in 30 days, rounded."""
        count = value(f"{family}_30d") or 0.0
        n = round(count)
        before = f"{one} a while ago" if count > 0 else f"no {many} are known"
        return f"{n} {many} lately" if n > 1 else f"{one} lately" if n else before

    silent, gap = value("silent_days") or 0.0, value("usual_gap_days")
    match family:
        case "silence":
            return f"silent {days(silent)}" + (f", usually {days(gap)} between signs of life" if gap else "")
        case "trend":
            return "activity is fading" if raises else "activity is picking up"
        case "history":
            n = int(value("key_events") or 0)
            return f"{n} sign{'s' if n != 1 else ''} of life so far"
        case "value":
            return f"{(value('money_total') or 0) / 100:,.0f} spent so far"
        case "unanswered":
            share = value("unanswered_share")
            if share is None:
                return "nothing of ours has asked for an answer"
            if not raises:
                return f"{100 * (1 - share):.0f} % of our contacts were answered"
            told = lately("a contact unanswered or declined", "contacts unanswered or declined")
            return f"{told} ({100 * share:.0f} % of ours)"
        case "trouble":
            if not raises:
                return "no recent trouble"
            return lately(
                "a ticket, cancellation or missed appointment", "tickets, cancellations or missed appointments"
            )
        case "payment":
            return lately("a failed payment or refund", "failed payments or refunds") if raises else "payments in order"
        case "mood":
            mood = value("mood")
            if mood is None:
                return "no ratings or messages of a mood are known"
            return f"ratings and messages average {100 * mood:.0f} of 100"
        case "journey":
            return _on_the_way(value("stage_overdue_days"), int(value("backward_moves") or 0))
        case _:
            since, noun = value(f"days_since_{family}"), _NOUN[family]
            if since is None:
                return f"no {noun} yet"
            return f"no {noun} in {days(since)}" if raises and since >= 1 else f"last {noun} {days(since)} ago"


def _on_the_way(overdue: float | None, back: int) -> str:
    told = []
    if overdue:
        told.append(f"stuck in its stage of the journey {f'for {days(overdue)}' if overdue >= 1 else 'since today'}")
    if back:
        told.append(f"went back {back} times" if back > 1 else "went back once")
    return ", ".join(told) or ("on time on its journey" if overdue is not None else "no time is set on its journey")


def days(days: float) -> str:
    """Whole days, in words."""
    return f"{days:.0f} days" if round(days) != 1 else "1 day"
