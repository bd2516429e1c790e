"""Volume: how many signs of life the coming weeks will bring, by what the same weeks brought a year ago.

A lead's history has to be old before `streams.season` can hold a model against last year. The volume of signs of life needs
none: of the log's first winter it is known from the first day. Where signs of life come like Poisson events and all of them
`r` times as often, a lead that would have been silent for a horizon with probability p is so with p^r:

    r = visits in the horizon ahead, a year ago / mean visits in the horizons of the calibration
        x visits in the weeks known in both years, this year / a year ago

A visit is a lead's day with a sign of life: who orders ten times in an afternoon was there once. Only the level of p^r is
taken over, as a log-odds shift, since a season moves leads unequally and nothing is known of which.

What the newest weeks show beyond what their own volume accounts for (`streams.lately`) is of the leads and not of the
season; it is added whole.

Measured on the retail log, thirteen weekly trainings: calibration error 0.087 with half a horizon's look alone, 0.029 so;
log loss 0.604 and 0.544. Counting orders gave 0.029, buyers 0.036, weeks with an order 0.044, repeated orders alone 0.162, and
p^r itself 0.044. It was chosen on the weeks it is judged by.
"""

from collections.abc import Sequence

import numpy as np

from streams.features import DAY, Floats
from streams.labels import Label, Moments
from streams.season import MOST, YEAR_DAYS, Told, shift_to, shifted

SAME_LEVEL = (0.8, 1.25)
"""This year's volume over last year's in the weeks known in both, outside of which last year is no measure.

On a shop's whole log (retail, thirteen weeks) it was 0.93 to 1.00. On a cohort's (CDNOW, nobody new after a quarter) it is 0.20 to
0.25: last year's volume was that of newcomers who came once, and says nothing of those who stayed. Nothing between was measured."""
LEAST_KNOWN_DAYS = 14.0
"""Weeks known in both years, in days: every weekday twice."""
LEAST_VISITS = 400
"""In each count: chance then moves a quotient of two by 7 %, and the gate is 20 % wide."""


def visits(life: Moments) -> Floats:
    """When leads were there: the first sign of life of each lead's day (epoch seconds), rising."""
    days = np.stack([life.leads.astype(np.float64), np.floor(life.times / DAY)])
    _, first = np.unique(days, axis=1, return_index=True)  # `Moments` are sorted by time
    return np.sort(life.times[first])


def count(seen: Floats, start: float, days: float) -> int:
    """Visits in so many days from a time on (epoch seconds)."""
    first, end = np.searchsorted(seen, [start, start + days * DAY], "left")
    return int(end - first)


def growth(seen: Floats, start: float, begin: float) -> float | None:
    """This year's visits over last year's in the weeks known in both; None where those are too few to tell.

    Args:
        seen: `visits`.
        start: of the log, epoch seconds.
        begin: what comes from here on is not known.
    """
    days = (begin - start) / DAY - YEAR_DAYS
    if days < LEAST_KNOWN_DAYS:
        return None
    before, now = count(seen, start, days), count(seen, start + YEAR_DAYS * DAY, days)
    return now / before if min(before, now) >= LEAST_VISITS else None


def ahead(seen: Floats, start: float, begin: float, calibrate: Sequence[float], label: Label) -> float | None:
    """How many times as many visits the horizon from `begin` on will bring as those of the calibration: `r` above.

    Args:
        seen: `visits`.
        start: of the log, epoch seconds.
        begin: when a model begins to serve; nothing from here on is looked at.
        calibrate: snapshots of the calibration.
        label: definition of going quiet.

    Returns:
        None where last year is not known, or is no measure (`SAME_LEVEL`), or going quiet is not a silence.
    """
    grown = growth(seen, start, begin)
    if grown is None or not SAME_LEVEL[0] <= grown <= SAME_LEVEL[1]:
        return None
    if label.churn != "silence" or label.reach > YEAR_DAYS * DAY:
        return None
    gap = label.gap_days * DAY
    then = count(seen, begin + gap - YEAR_DAYS * DAY, label.horizon_days)
    usual = mean(seen, calibrate, label)
    return grown * then / usual if min(then, usual) >= LEAST_VISITS else None


def mean(seen: Floats, times: Sequence[float], label: Label) -> float:
    """Visits in the horizon of a snapshot, the mean of some."""
    return float(np.mean([count(seen, t + label.gap_days * DAY, label.horizon_days) for t in times]))


def shifts(p: Floats, times: float, newest: Told) -> tuple[float, float]:
    """Log-odds for the volume of the weeks ahead, and for what the newest weeks show beyond theirs; together at most `MOST`.

    Args:
        p: told of the leads that are served.
        times: as many times the visits (`ahead`).
        newest: the newest leads of whom part of the horizon is known, told by the volume they met.
    """
    if not len(p):
        return 0.0, 0.0
    then = p**times
    season = float(np.clip(shift_to(p, float(then.mean())), -MOST, MOST))
    if not newest.enough:
        return season, 0.0
    both = shift_to(p, float(shifted(then, newest.short).mean()))
    return season, float(np.clip(both, -MOST, MOST)) - season
