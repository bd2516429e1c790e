"""Calibration: knots rise, isotonic is the least-squares rising fit, Platt finds the line, and both make honest."""

from itertools import combinations, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams import calibrate
from streams.features import Floats
from streams.measure import ece, log_loss
from streams.risk import sigmoid

scores = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40)


def columns(pairs: list[tuple[int, bool]]) -> tuple[Floats, Floats]:
    """Scores in (0, 1) with many ties, labels 0 or 1."""
    return np.array([(p[0] + 1) / 10 for p in pairs]), np.array([float(p[1]) for p in pairs])


@given(scores)
def test_knots_rise_and_never_reach_certainty(pairs: list[tuple[int, bool]]) -> None:
    for fitted in (calibrate.isotonic(*columns(pairs)), calibrate.platt(*columns(pairs))):
        xs, ys = np.array(fitted[0]), np.array(fitted[1])
        assert (np.diff(xs) > 0).all()
        assert (np.diff(ys) >= 0).all()
        assert ys.min() > 0
        assert ys.max() < 1


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=12))
def test_isotonic_is_the_best_rising_step_function(pairs: list[tuple[int, bool]]) -> None:
    """Against brute force: over all ways to cut the distinct scores into blocks whose means rise, none is closer."""
    x, y = columns(pairs)
    values = np.unique(x)
    sums = [(y[x == v].sum(), float((x == v).sum()), v * (x == v).sum()) for v in values]
    best, best_error = [(0.0, 0.0, 0.0)], np.inf
    for cuts in (c for n in range(len(values)) for c in combinations(range(1, len(values)), n)):
        edges = [0, *cuts, len(values)]
        blocks = [tuple(np.sum(sums[a:b], axis=0)) for a, b in pairwise(edges)]
        means = [b[0] / b[1] for b in blocks]
        error = sum(b[1] * m * m - 2 * m * b[0] for b, m in zip(blocks, means, strict=True))
        if all(np.diff(means) > 0) and error < best_error - 1e-12:
            best, best_error = blocks, error
    knots = calibrate.isotonic(x, y)
    assert np.allclose(knots[0], [b[2] / b[1] for b in best])
    assert np.allclose(knots[1], np.maximum.accumulate([(b[0] + 0.5) / (b[1] + 1) for b in best]))


def test_rows_of_equal_score_share_one_probability() -> None:
    x, y = np.full(10, 0.5), np.array([0.0] * 5 + [1.0] * 5)
    assert calibrate.apply(calibrate.isotonic(x, y), np.array([0.1, 0.5, 0.9])).tolist() == [0.5, 0.5, 0.5]


def test_platt_finds_the_line_that_made_the_labels() -> None:
    rng = np.random.default_rng(5)
    raw = rng.uniform(0.02, 0.98, 200_000)
    true = sigmoid(0.6 * np.log(raw / (1 - raw)) - 0.8)
    knots = calibrate.platt(raw, (rng.random(len(raw)) < true).astype(float))
    assert np.abs(calibrate.apply(knots, raw) - true).max() < 0.01


def test_calibration_makes_overconfident_scores_honest() -> None:
    rng = np.random.default_rng(7)

    def draw(n: int) -> tuple[Floats, Floats]:
        true = rng.beta(1, 4, n)
        logit = np.log(true / (1 - true))
        return sigmoid(2.0 * logit + 1.5), (rng.random(n) < true).astype(float)

    for n, method in ((2_000, "platt"), (20_000, "isotonic")):
        raw, y = draw(n)
        test_raw, test_y = draw(20_000)
        used, knots = calibrate.fit(raw, y)
        after = calibrate.apply(knots, test_raw)
        assert used == method
        assert log_loss(after, test_y) < log_loss(test_raw, test_y) - 0.02
        assert ece(after, test_y) < 0.03 < ece(test_raw, test_y)
