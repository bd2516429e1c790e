"""Whether leads look different now from those that a model learned from: the population stability index, feature by feature.

    PSI = sum over bins of (now - then) ln(now / then), over tenths of what was learned from, and a bin of those unknown

Without any drift it is not 0: it is about (1/n + 1/m) times a chi-squared of bins - 1 degrees of freedom (Yurdakul and Naranjo
2020, Journal of Risk Model Validation 14(4)): on 100 rows 0.1, so that the usual bounds of 0.1 and 0.25 (Siddiqi 2006, Credit
Risk Scorecards) mean nothing there. So nothing is said of fewer than 1,000 leads on either side, where chance alone gives
0.02; a feature has moved if its index is above 0.25 and above what chance does once in a thousand nights, all features counted.
"""

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from streams.features import Floats

BINS = 10
LEAST = 1_000
MOVED = 0.25
CHANCE = 1e-3
"""Of a false word on one night, over all features."""


class Reference(NamedTuple):
    """How one feature was spread among the leads that were learned from.

    Attributes:
        edges: Between its bins, rising; a value on an edge belongs to the bin above.
        shares: Of the bins, the last of those where it was not known.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]


class Moved(NamedTuple):
    """One feature: its index, and the largest that chance could explain."""

    feature: str
    psi: float
    by_chance: float

    @property
    def moved(self) -> bool:
        """Whether it is large, and no chance."""
        return self.psi > max(MOVED, self.by_chance)


def reference(values: Floats) -> Reference:
    """Bins of equal size where values allow it: many leads may share one."""
    known = values[~np.isnan(values)]
    inner = np.quantile(known, np.arange(1, BINS) / BINS, method="inverted_cdf") if len(known) else np.zeros(0)
    edges = tuple(float(f"{edge:.9g}") for edge in np.unique(inner).tolist())
    return Reference(edges, tuple(float(f"{share:.6g}") for share in _shares(edges, values).tolist()))


def psi(then: Reference, then_leads: int, now: Floats) -> float:
    """The index. Half a lead is added to each bin, so that one that is empty on one side is not infinitely far."""
    new, old = _shares(then.edges, now), np.array(then.shares)
    some = (new > 0) | (old > 0)
    new, old = ((share[some] * n + 0.5) / (n + 0.5 * some.sum()) for share, n in ((new, len(now)), (old, then_leads)))
    return float(np.sum((new - old) * np.log(new / old)))


def by_chance(bins: int, then_leads: int, now_leads: int, features: int) -> float:
    """The index that is exceeded without drift in `CHANCE` of all nights by any of so many features."""
    free = max(bins - 1, 1)
    z = NormalDist().inv_cdf(1 - CHANCE / features)
    chi = free * (1 - 2 / (9 * free) + z * np.sqrt(2 / (9 * free))) ** 3  # Wilson and Hilferty 1931
    return float(chi * (1 / then_leads + 1 / now_leads))


def drift(then: Mapping[str, Reference], then_leads: int, now: Floats, names: Sequence[str]) -> tuple[Moved, ...]:
    """Every feature, the farthest first; nothing where leads are too few.

    Args:
        then: feature -> how it was spread.
        then_leads: different leads that were learned from.
        now: one row for each lead.
        names: of its columns.
    """
    if min(then_leads, len(now)) < LEAST:
        return ()
    found = [
        Moved(
            name,
            psi(then[name], then_leads, now[:, i]),
            by_chance(len(then[name].shares), then_leads, len(now), len(names)),
        )
        for i, name in enumerate(names)
        if name in then
    ]
    return tuple(sorted(found, key=lambda one: -one.psi))


def _shares(edges: Sequence[float], values: Floats) -> Floats:
    unknown = np.isnan(values)
    place = np.where(unknown, len(edges) + 1, np.searchsorted(edges, values, "right"))
    return np.bincount(place, minlength=len(edges) + 2) / max(len(values), 1)
