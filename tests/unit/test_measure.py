"""Measures against their definitions, counted out."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from streams.features import Floats
from streams.measure import auc, average_precision, ece, lift, log_loss

rows = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=2, max_size=30)


def both(pairs: list[tuple[int, bool]]) -> tuple[Floats, Floats]:
    """Probabilities with ties, labels of both classes."""
    y = np.array([float(p[1]) for p in pairs])
    assume(0 < y.sum() < len(y))
    return np.array([p[0] / 10 for p in pairs]), y


@given(rows)
def test_auc_is_the_share_of_pairs_in_the_right_order(pairs: list[tuple[int, bool]]) -> None:
    p, y = both(pairs)
    right = [(a > b) + 0.5 * (a == b) for a in p[y > 0] for b in p[y == 0]]
    assert np.isclose(auc(p, y), np.mean(right))


@given(rows)
def test_average_precision_is_the_precision_at_each_gain_in_recall(pairs: list[tuple[int, bool]]) -> None:
    p, y = both(pairs)
    total, hits = 0.0, 0.0
    for threshold in sorted(set(p), reverse=True):
        chosen = p >= threshold
        total += (y[chosen].sum() - hits) / y.sum() * y[chosen].mean()
        hits = y[chosen].sum()
    assert np.isclose(average_precision(p, y), total)


def test_figures_that_one_can_do_by_hand() -> None:
    p, y = np.array([0.9, 0.8, 0.2, 0.1]), np.array([1.0, 0.0, 1.0, 0.0])
    assert np.isclose(log_loss(p, y), -np.log([0.9, 0.2, 0.2, 0.9]).mean())
    assert np.isclose(ece(p, y), (0.1 + 0.8 + 0.8 + 0.1) / 4)
    assert lift(p, y, 0.25) == 2.0
    assert lift(np.full(4, 0.5), y, 0.25) == 1.0
