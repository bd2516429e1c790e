"""How good probabilities are: ranking (AUC, AP, lift), honesty (log loss, Brier, ECE). Labels are 0 or 1."""

import numpy as np

from streams.features import Floats, Ints

INTERVAL = 1.96
"""Standard errors to either side: 95 % of a normal distribution."""
BINS = 15
"""Bins of equal size for the expected calibration error."""


def measure(p: Floats, y: Floats, rank: Floats, leads: Ints | None = None) -> dict[str, float]:
    """All figures of one set of probabilities, by name. Needs both classes.

    Args:
        p: calibrated probabilities: judged for honesty.
        y: what came true, 0 or 1.
        rank: scores before calibration: judged for order, since a calibration may level some of it out.
        leads: whose row it is; None: each is another's.
    """
    return {
        "auc": auc(rank, y),
        "average_precision": average_precision(rank, y),
        "log_loss": log_loss(p, y),
        "brier": float(np.mean((p - y) ** 2)),
        "ece": ece(p, y),
        "ece_by_chance": ece_by_chance(p),
        "ece_at_least": off_at_least(p, y, np.arange(len(p)) if leads is None else leads),
        "lift_at_10": lift(rank, y, 0.1),
    }


def auc(p: Floats, y: Floats) -> float:
    """Chance that a random positive ranks above a random negative; ties count half."""
    _, place, count = np.unique(p, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    positives = float(y.sum())
    return float((rank[y > 0].sum() - positives * (positives + 1) / 2) / (positives * (len(y) - positives)))


def average_precision(p: Floats, y: Floats) -> float:
    """Area under precision over recall, stepwise; equal probabilities are one step."""
    order = np.argsort(-p, kind="stable")
    hits, ends = np.cumsum(y[order]), np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)
    gained = np.diff(hits[ends], prepend=0.0)
    return float(np.sum(gained * hits[ends] / (ends + 1)) / hits[-1])


def log_loss(p: Floats, y: Floats) -> float:
    """Mean of -ln of the probability given to what happened; lower is better."""
    safe = np.clip(p, 1e-9, 1 - 1e-9)
    return float(-np.mean(y * np.log(safe) + (1 - y) * np.log1p(-safe)))


def ece(p: Floats, y: Floats) -> float:
    """Mean distance of told and seen rate over bins of equal size."""
    order = np.argsort(p, kind="stable")
    gaps = [abs(p[part].sum() - y[part].sum()) for part in np.array_split(order, min(BINS, len(p)))]
    return float(sum(gaps) / len(p))


def ece_by_chance(p: Floats) -> float:
    """The calibration error that these probabilities would show on average if every one of them were exactly right.

    Few rows show an error by chance alone: 500 of them, at a rate of 40 %, about 0.06. Each bin's sum of labels is taken
    as normal, whose mean distance from its mean is sqrt(2 / pi) standard deviations.
    """
    spread = [np.sqrt((part * (1 - part)).sum()) for part in np.array_split(np.sort(p), min(BINS, len(p)))]
    return float(np.sqrt(2 / np.pi) * sum(spread) / len(p))


def off_at_least(p: Floats, y: Floats, leads: Ints, *, only_short: bool = False) -> float:
    """The part of the calibration error that is no chance: of each bin's gap, what its 95 % interval leaves of it.

    A lead stands in many rows, so the interval is by leads (the sandwich estimate of a clustered mean: Liang and Zeger 1986,
    Biometrika 73). Of probabilities that are right it is 0 or next to it, however few the rows.

    Args:
        p: what was told.
        y: what came true.
        leads: whose row it is.
        only_short: count only bins in which more went quiet than was told.
    """
    total = 0.0
    for part in np.array_split(np.argsort(p, kind="stable"), min(BINS, len(p))):
        gap, error = clustered_mean(y[part] - p[part], leads[part])
        total += max(0.0, (gap if only_short else abs(gap)) - INTERVAL * error) * len(part)
    return total / len(p)


def clustered_mean(values: Floats, leads: Ints) -> tuple[float, float]:
    """Mean of rows and its standard error, where rows of the same lead are not independent."""
    mean = float(values.mean())
    _, place = np.unique(leads, return_inverse=True)
    sums = np.bincount(place, values - mean)
    return mean, float(np.sqrt((sums**2).sum())) / len(values)


def lift(p: Floats, y: Floats, share: float) -> float:
    """How many times more positives are among the top share than among all; ties at the edge count in proportion."""
    top = max(1, round(len(p) * share))
    edge = np.partition(p, len(p) - top)[len(p) - top]
    above, at = p > edge, p == edge
    hits = y[above].sum() + y[at].mean() * (top - above.sum())
    return float(hits / top / y.mean())
