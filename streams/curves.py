"""Curves of how good probabilities are, as few points: told rate against seen rate, and how many of the lost are found how soon."""

from typing import NamedTuple

import numpy as np

from streams.features import Floats

BINS = 10
SHARES = tuple(i / 20 for i in range(21))
"""Shares of all rows, the riskiest first, at which is counted how many of those who went quiet are among them."""


class Bin(NamedTuple):
    """Rows of about the same risk: how many, the rate that was told, and the rate that was seen."""

    rows: int
    told: float
    seen: float


def reliability(p: Floats, y: Floats) -> tuple[Bin, ...]:
    """Rows in bins of equal size, lowest risk first; equal probabilities may fall into two."""
    order = np.argsort(p, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    return tuple(Bin(len(part), float(p[part].mean()), float(y[part].mean())) for part in parts)


def gains(rank: Floats, y: Floats) -> tuple[float, ...]:
    """Share of those who went quiet among the riskiest, at each of `SHARES`; rows of equal rank count in proportion."""
    values, place = np.unique(-rank, return_inverse=True)
    sizes = np.bincount(place, minlength=len(values))
    hits = np.bincount(place, y, len(values))
    reached = np.concatenate([[0.0], np.cumsum(sizes)]) / len(y)
    found = np.concatenate([[0.0], np.cumsum(hits)]) / max(float(y.sum()), 1.0)
    return tuple(float(v) for v in np.interp(SHARES, reached, found))
