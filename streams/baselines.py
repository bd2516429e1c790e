"""What a model has to beat: recency alone, three numbers in a logistic regression, and the best single feature.

A model that is no better than these is not worth its keep, whatever its AUC; so they stand beside it wherever it is shown.
"""

from typing import NamedTuple

import numpy as np

from streams.features import Floats
from streams.measure import auc
from streams.risk import sigmoid
from streams.vector import COLUMN

RECENCY_SCALE_DAYS = 30.0
RIDGE = 1e-3
"""Keeps the logistic regression finite where a feature tells the classes apart without error; no effect otherwise."""
STEPS = 50


def recency(x: Floats) -> Floats:
    """Score 0 to 1: days since the last sign of life, and nothing else."""
    days = x[:, COLUMN["silent_days"]]
    return np.asarray(days / (days + RECENCY_SCALE_DAYS))


def rfm(x: Floats) -> Floats:
    """Recency, frequency and money on a log scale, with a column of ones: the classic of direct marketing."""
    money = np.maximum(np.nan_to_num(x[:, COLUMN["money_mean"]]), 0.0)
    columns = (np.ones(len(x)), x[:, COLUMN["silent_days"]], x[:, COLUMN["key_events"]], money)
    return np.stack([columns[0], *(np.log1p(column) for column in columns[1:])], axis=1)


def logistic(x: Floats, y: Floats) -> tuple[float, ...]:
    """Weights of a logistic regression (Newton's method, a trace of ridge), one for each column of x."""
    scale = np.maximum(np.abs(x).max(axis=0), 1e-12)
    z, w = x / scale, np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = sigmoid(z @ w)
        slope = z.T @ (p - y) + RIDGE * w
        curve = (z * (p * (1 - p))[:, None]).T @ z + RIDGE * np.eye(len(w))
        step = np.linalg.solve(curve, slope)
        w -= step
        if np.abs(step).max() < 1e-8:
            break
    return tuple((w / scale).tolist())


def told(weights: tuple[float, ...], x: Floats) -> Floats:
    """Probabilities of a logistic regression."""
    return sigmoid(x @ np.array(weights))


class Alone(NamedTuple):
    """A single feature as a score: its direction, the value that stands for "never happened", and how well it ranks."""

    sign: float
    missing: float
    auc: float

    @classmethod
    def fit(cls, values: Floats, y: Floats) -> "Alone":
        """The direction, and the end for those without a value, that rank these rows best."""
        best = cls(1.0, 0.0, 0.5)
        known = values[~np.isnan(values)]
        ends = (known.min() - 1.0, known.max() + 1.0) if len(known) else (0.0,)
        for missing in ends if len(known) < len(values) else ends[:1]:
            rank = auc(np.where(np.isnan(values), missing, values), y)
            if max(rank, 1.0 - rank) > best.auc:
                best = cls(1.0 if rank >= 0.5 else -1.0, float(missing), max(rank, 1.0 - rank))
        return best

    def score(self, values: Floats) -> Floats:
        """Ranks of other rows; higher is likelier to go quiet."""
        return np.asarray(self.sign * np.where(np.isnan(values), self.missing, values))
