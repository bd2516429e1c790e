"""Time to churn of leads at risk: the chance of being lost in each of the weeks ahead, given that it has not happened yet.

    S(k) = (1 - h_1) (1 - h_2) ... (1 - h_k)        share still there after k weeks

A silent lead is lost when its silence has lasted a whole horizon, a contract when it is closed. A date would pretend to
know; what is told is a band and the interval in which the loss falls with 80 %. Steps are weeks; they reach a quarter beyond
the horizon, so that a lead that comes back once and then leaves is still inside.
Discrete-time hazards by a tree model: BMC Med Res Methodol 2022 22:207.
"""

from typing import Literal, NamedTuple

import numpy as np

from streams.features import DAY, Bools, Floats, Ints
from streams.labels import Moments
from streams.vector import COLUMN

Band = Literal["<7", "7-14", "14-30", ">30"]
STEP_DAYS = 7.0
FEWEST, MOST = 4, 16
"""Weeks that are looked at."""
EXTRA = ("week", "silent_then")
"""Columns beside the features: which week, and how long the silence will have lasted at its end if nothing is heard."""
EDGES: tuple[tuple[float, Band], ...] = ((7.0, "<7"), (14.0, "7-14"), (30.0, "14-30"))
EARLIEST, LATEST = 0.1, 0.9
"""Shares lost at the ends of the interval."""


class Fate(NamedTuple):
    """What is known of leads after a snapshot: weeks watched to their end, days to the loss (inf: none was seen)."""

    watched: Ints
    days: Floats

    def at(self, where: slice | Bools | Ints) -> "Fate":
        """Some of the leads."""
        return Fate(self.watched[where], self.days[where])


class Forecast(NamedTuple):
    """When a lead will be lost: the band of the middle case, and days from and to; None: later than is looked at."""

    band: Band
    earliest_days: float | None
    latest_days: float | None


def steps_of(horizon_days: float) -> int:
    """Weeks to look at."""
    return int(np.clip(np.ceil(1.25 * horizon_days / STEP_DAYS), FEWEST, MOST))


def fates(n: int, lost: Moments, t: float, steps: int, known: float) -> Fate:
    """What became of n leads in the weeks after t.

    A lead that ends in another way, as won, is watched on as one that is not lost: so the chances are those of really
    being lost, not of being lost if nothing else could happen (subdistribution hazards: Fine and Gray, 1999).

    Args:
        n: number of leads.
        lost: losses, by time.
        t: snapshot, epoch seconds.
        steps: weeks to look at.
        known: the end of what may be known, epoch seconds.
    """
    week = STEP_DAYS * DAY
    reach = min(known, t + steps * week)
    first = np.full(n, np.inf)
    here = lost.within(t, reach)
    np.minimum.at(first, lost.leads[here], lost.times[here])
    days = (first - t) / DAY
    full = np.full(n, int((reach - t) // week))
    watched = np.where(np.isfinite(days), np.floor(np.where(np.isfinite(days), days, 0.0) / STEP_DAYS) + 1, full)
    return Fate(watched.astype(np.int64), days)


def expand(x: Floats, fate: Fate) -> tuple[Floats, Floats]:
    """One row for each lead and week that was watched; and whether the lead was lost in it."""
    rows = np.repeat(np.arange(len(x)), fate.watched)
    ends = np.cumsum(fate.watched)
    week = np.arange(len(rows)) - np.repeat(ends - fate.watched, fate.watched) + 1
    lost_here = np.floor(fate.days[rows] / STEP_DAYS) + 1 == week
    return with_week(x[rows], week), lost_here.astype(np.float64)


def with_week(x: Floats, week: Ints) -> Floats:
    """Features with the week beside them, and the silence at its end."""
    silent = x[:, COLUMN["silent_days"]] + week * STEP_DAYS
    return np.concatenate([x, week[:, None].astype(np.float64), silent[:, None]], axis=1)


def every_week(x: Floats, steps: int) -> Floats:
    """Rows for all weeks of each lead, in order."""
    return with_week(np.repeat(x, steps, axis=0), np.tile(np.arange(1, steps + 1), len(x)))


def survival(hazards: Floats) -> Floats:
    """Hazards of each lead (rows) and step (columns) -> share still there after each step, never rising."""
    return np.asarray(np.cumprod(1.0 - np.clip(hazards, 0.0, 1.0), axis=1))


def share_lost(still: Floats, days: float) -> Floats:
    """Chance of being lost within so many days, for each row of `survival`; within a week by a straight line."""
    lost = np.concatenate([np.zeros((len(still), 1)), 1.0 - still], axis=1)
    week = min(int(days / STEP_DAYS), still.shape[1] - 1)
    return np.asarray(lost[:, week] + (days / STEP_DAYS - week) * (lost[:, week + 1] - lost[:, week]))


def forecasts(still: Floats) -> list[Forecast]:
    """Band and interval of each row of `survival`."""
    at = np.arange(still.shape[1] + 1) * STEP_DAYS
    share = np.concatenate([np.zeros((len(still), 1)), 1.0 - still], axis=1)

    def when(wanted: float) -> list[float | None]:
        reached: Bools = share >= wanted
        week, rows = np.maximum(reached.argmax(axis=1), 1), np.arange(len(share))  # none is lost at the start
        below, above = share[rows, week - 1], share[rows, week]
        with np.errstate(divide="ignore", invalid="ignore"):  # of those that are not lost
            days = at[week - 1] + STEP_DAYS * (wanted - below) / (above - below)
        there = np.asarray(reached.any(axis=1))
        return [round(day, 1) if ever else None for day, ever in zip(days.tolist(), there.tolist(), strict=True)]

    def band(middle: float | None) -> Band:
        return next((name for edge, name in EDGES if middle is not None and middle < edge), ">30")

    return list(map(Forecast, map(band, when(0.5)), when(EARLIEST), when(LATEST)))
