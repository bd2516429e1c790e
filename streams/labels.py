"""Who really went quiet: the truth that a model is trained on and judged by.

A snapshot is a time t at which a lead could have been judged. Features know what came before t; the label looks at
`[t + gap, t + gap + horizon)`. The gap is the time it takes to act; nothing in it counts for either side.
The window is open at its end so that an event exactly at t, which no feature may see, is not lost with gap 0.

Two meanings of going quiet:
    silence  no sign of life (key event) in the window: shops, brokers, anyone without a contract
    closed   the lead was closed in the window, with one of the named outcomes (`closed_as`)
"""

import json
from hashlib import sha256
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from schemas.units import Days
from streams.closed import Closed
from streams.features import DAY, Bools, Floats, Ints
from streams.thresholds import Section

NEVER = -np.inf
HEALTHY_SHARE = 0.95
"""A silence longer than this share of all gaps between two days with signs of life is not an ordinary one."""
SHORTEST_HORIZON, LONGEST_HORIZON = 7, 180
MEANING = 2
"""Rises when this file reads the same definition otherwise than before."""
EVER_DAYS = 3650.0
"""A lead that was alive within so many days is taken to have been so ever; a mapping has no other word for it."""


class Label(Section):
    """A definition of going quiet. Another definition is another family of models."""

    churn: Literal["silence", "closed"] = "silence"
    closed_as: frozenset[Literal["won", "lost", "churned"]] = Field(
        default=frozenset({"churned"}), description="outcomes of lead_closed that count as going quiet (churn = closed)"
    )
    gap_days: Days = 0.0
    horizon_days: Annotated[float, Field(gt=0, le=3650)] = 30.0
    eligible_days: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="alive: last sign of life at most so long before t; left out: as long as healthy gaps are, where churn "
        "is silence (`healthy_horizon`), and ever where it is a closing; none: ever",
    )
    every_days: Annotated[float, Field(gt=0)] = Field(default=7.0, description="days between two snapshots")
    ages_days: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        default=(),
        description="judge a lead only so many days after its first sign of life, once each; left out: always",
    )

    @property
    def version(self) -> str:
        """Names the definition: two models with the same one answer the same question."""
        told = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return f"l{MEANING}-{sha256(told.encode()).hexdigest()[:8]}"

    @property
    def ever_alive(self) -> bool:
        """Whether any sign of life will do, however long ago."""
        return self.eligible_days is None or self.eligible_days >= EVER_DAYS

    @property
    def reach(self) -> float:
        """Seconds from a snapshot until its labels are known: gap + horizon."""
        return (self.gap_days + self.horizon_days) * DAY

    @property
    def at_any_age(self) -> "Label":
        """The same for leads of every age: what is learned from, since a lead is scored at any age."""
        return self.model_copy(update={"ages_days": ()})


class Moments(NamedTuple):
    """Something that happened to leads: which lead (0 to n - 1) and when (epoch seconds), sorted by time."""

    leads: Ints
    times: Floats
    known: Floats | None = None
    """When each was known, which is never before; None: as it happened."""

    def before(self, t: float) -> slice:
        """Those strictly before t."""
        return slice(0, int(np.searchsorted(self.times, t, "left")))

    def known_before(self, t: float) -> slice | Ints:
        """Those that were known before t."""
        happened = self.before(t)
        return happened if self.known is None else np.flatnonzero(self.known[happened] < t)

    def told_within(self, t: float, end: float) -> slice | Ints:
        """Those that had happened before t, and were known only then or later, before `end`."""
        known = self.known
        if known is None:
            return slice(0, 0)
        happened = known[self.before(t)]
        return np.flatnonzero((happened >= t) & (happened < end))

    def within(self, start: float, end: float) -> slice:
        """Those in [start, end)."""
        first, last = np.searchsorted(self.times, [start, end], "left")
        return slice(int(first), int(last))


def eligible(n: int, life: Moments, closed: Closed, t: float, label: Label) -> Bools:
    """Which of n leads can be judged at t: a sign of life before t, not too long ago, of the age that is asked for, not closed.

    By what was known before t: live knows no more, and who is judged may not depend on what comes out later.
    """
    last, first = np.full(n, NEVER), np.full(n, NEVER)
    seen = life.known_before(t)
    last[life.leads[seen]] = life.times[seen]  # sorted: the newest stays
    alive = last > NEVER if label.eligible_days is None else last >= t - label.eligible_days * DAY
    if label.ages_days:
        first[life.leads[seen][::-1]] = life.times[seen][::-1]
        over = (t - first)[:, None] / DAY - np.array(label.ages_days)
        alive &= ((over >= 0) & (over < label.every_days)).any(axis=1)  # snapshots are every_days apart: once per age
    alive[closed.at(t)] = False
    return alive


def churned(n: int, life: Moments, closings: Moments, t: float, label: Label) -> Bools:
    """Which of n leads went quiet after t. Only true where the log reaches `t + label.reach`.

    This is what really happened, whenever that was known. A closing that is dated back to before t and told within the reach
    counts as well (churn = closed): the lead is asked about, as nobody knew, and it was gone.

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
    if label.churn == "closed":
        met[moments.leads[moments.told_within(t, t + label.reach)]] = True
    return ~met if label.churn == "silence" else met


def healthy_horizon(life: Moments) -> int | None:
    """Whole days of silence that all but 5 % of the gaps of leads who came back stay under; None: nobody came back.

    The horizon where a label gives none. Gaps under a day are one visit, not a rhythm.
    """
    order = np.lexsort((life.times, life.leads))
    leads, times = life.leads[order], life.times[order]
    gaps = np.diff(times)[np.diff(leads) == 0] / DAY
    gaps = gaps[gaps >= 1]
    if not len(gaps):
        return None
    return int(np.clip(np.ceil(np.quantile(gaps, HEALTHY_SHARE)), SHORTEST_HORIZON, LONGEST_HORIZON))


def lost(life: Moments, end: float, horizon: float) -> tuple[Moments, Moments]:
    """Leads that fell silent for a whole horizon: when that was so, and their last signs of life before it; each by time.

    Args:
        life: signs of life.
        end: of what is known, epoch seconds; a silence that was not over a horizon then is not known to be one.
        horizon: seconds.
    """
    order = np.lexsort((life.times, life.leads))
    leads, times = life.leads[order], life.times[order]
    following = np.append(np.where(np.diff(leads) == 0, times[1:], np.inf), np.inf)[: len(times)]
    gone = np.flatnonzero((following > times + horizon) & (times + horizon <= end))
    gone = gone[np.argsort(times[gone], kind="stable")]
    return Moments(leads[gone], times[gone] + horizon), Moments(leads[gone], times[gone])


def last_signs(life: Moments, moments: Moments) -> Moments:
    """The last sign of life before each of the moments, by time; moments without one are left out."""
    order = np.lexsort((life.times, life.leads))
    leads, times = life.leads[order], life.times[order]
    found: list[tuple[float, int]] = []
    for lead, t in zip(moments.leads.tolist(), moments.times.tolist(), strict=True):
        first, end = np.searchsorted(leads, [lead, lead + 1])
        place = first + int(np.searchsorted(times[first:end], t))
        if place > first:
            found.append((float(times[place - 1]), lead))
    found.sort()
    return Moments(np.array([f[1] for f in found], np.int64), np.array([f[0] for f in found], np.float64))
