"""Who really went quiet: the truth that a model is trained on and judged by.

A snapshot is a time t at which a lead could have been judged. Features know what came before t; the label looks at
`[t + gap, t + gap + horizon)`. The gap is the time it takes to act; nothing in it counts for either side.
The window is open at its end so that an event exactly at t, which no feature may see, is not lost with gap 0.

Two meanings of going quiet:
    silence  no sign of life (key event) in the window: shops, brokers, anyone without a contract
    closed   the lead was closed in the window, with one of the named outcomes (`closed_as`)
"""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from schemas.units import Days
from streams.features import DAY, Bools, Floats, Ints
from streams.thresholds import Section

NEVER = -np.inf


class Label(Section):
    """A definition of going quiet. Another definition is another family of models."""

    churn: Literal["silence", "closed"] = "silence"
    closed_as: frozenset[Literal["won", "lost", "churned"]] = Field(
        default=frozenset({"churned"}), description="outcomes of lead_closed that count as going quiet (churn = closed)"
    )
    gap_days: Days = 0.0
    horizon_days: Annotated[float, Field(gt=0, le=3650)] = 30.0
    eligible_days: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="alive: last sign of life at most so long before t; left out: had one at any time"
    )
    every_days: Annotated[float, Field(gt=0)] = Field(default=7.0, description="days between two snapshots")

    @property
    def reach(self) -> float:
        """Seconds from a snapshot until its labels are known: gap + horizon."""
        return (self.gap_days + self.horizon_days) * DAY


class Moments(NamedTuple):
    """Something that happened to leads: which lead (0 to n - 1) and when (epoch seconds), sorted by time."""

    leads: Ints
    times: Floats

    def before(self, t: float) -> slice:
        """Those strictly before t."""
        return slice(0, int(np.searchsorted(self.times, t, "left")))

    def within(self, start: float, end: float) -> slice:
        """Those in [start, end)."""
        first, last = np.searchsorted(self.times, [start, end], "left")
        return slice(int(first), int(last))


def eligible(n: int, life: Moments, closings: Moments, t: float, label: Label) -> Bools:
    """Which of n leads can be judged at t: a sign of life before t, not too long ago, and not closed before t."""
    last = np.full(n, NEVER)
    seen = life.before(t)
    last[life.leads[seen]] = life.times[seen]  # sorted: the newest stays
    alive = last > NEVER if label.eligible_days is None else last >= t - label.eligible_days * DAY
    alive[closings.leads[closings.before(t)]] = False
    return alive


def churned(n: int, life: Moments, closings: Moments, t: float, label: Label) -> Bools:
    """Which of n leads went quiet after t. Only true where the log reaches `t + label.reach`.

    Args:
        n: number of leads.
        life: signs of life of all leads.
        closings: closings that count (churn = closed: those with an outcome in `closed_as`).
        t: snapshot, epoch seconds.
        label: the definition.
    """
    start = t + label.gap_days * DAY
    moments = life if label.churn == "silence" else closings
    met = np.zeros(n, np.bool_)
    met[moments.leads[moments.within(start, t + label.reach)]] = True
    return ~met if label.churn == "silence" else met
