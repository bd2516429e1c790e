"""Season: a calibration is from the newest finished labels, a model serves the months after them, and the two may differ.

What can be known of it is what was so a year ago. The model is held against the same weeks of the year before, those of the
calibration and those that it is to serve; by how much more the second fell short of what was told (or went beyond it) is
carried over:

    shift = (logit seen - logit told) of the weeks to be served, a year ago
          - (logit seen - logit told) of the weeks of the calibration, a year ago

A year is 52 weeks, so that weekdays stay. A shop's Christmas is the reason: after labels from autumn, a third more of its
customers go quiet in winter than was told.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from streams.features import DAY, Floats
from streams.risk import sigmoid

YEAR_DAYS = 364.0
SERVES_DAYS = 28.0
"""So long a model is made for: it is tried every week whether a newer one is better, but what is not surely better is not
taken up."""
LEAST_ROWS, LEAST_EITHER = 1_000, 100
"""Rows of each of the two seasons, and of either fate, under which nothing is carried over."""
MOST = 1.5
"""Log-odds; a shift beyond is another business, not a season."""


class Told(NamedTuple):
    """Probabilities and what came true of one season."""

    p: Floats
    y: Floats

    @property
    def enough(self) -> bool:
        """Whether anything can be said of the season."""
        return len(self.y) >= LEAST_ROWS and min(self.y.sum(), len(self.y) - self.y.sum()) >= LEAST_EITHER

    @property
    def short(self) -> float:
        """By how many log-odds more went quiet than was told."""
        return _logit(float(self.y.mean())) - _logit(float(self.p.mean()))


def twins(times: Sequence[float]) -> list[float]:
    """The same weeks a year before."""
    return [t - YEAR_DAYS * DAY for t in times]


def to_serve(begin: float, every_days: float) -> list[float]:
    """Snapshots of the weeks for which a model trained at `begin` is made."""
    return [begin + i * every_days * DAY for i in range(max(1, int(SERVES_DAYS / every_days)))]


def shift(calibrated: Told, served: Told) -> float:
    """What is to be added to the log-odds; 0 where too little is known of one of the seasons."""
    if not (calibrated.enough and served.enough):
        return 0.0
    return float(np.clip(served.short - calibrated.short, -MOST, MOST))


def shifted(p: Floats, by: float) -> Floats:
    """Probabilities with so many log-odds added."""
    safe = np.clip(p, 1e-9, 1 - 1e-9)
    return sigmoid(np.log(safe / (1 - safe)) + by)


def levelled(p: Floats, rate: float) -> Floats:
    """Probabilities with as many log-odds added as bring their mean to a rate (0 to 1); order and shape stay."""
    return shifted(p, shift_to(p, rate))


def shift_to(p: Floats, rate: float) -> float:
    """How many log-odds bring the mean of probabilities to a rate (0 to 1)."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        if float(shifted(p, middle).mean()) < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _logit(p: float) -> float:
    return float(np.log(p / (1 - p)))
