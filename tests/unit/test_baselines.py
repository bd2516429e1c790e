"""What a model has to beat, and the signs that it saw the answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streams.baselines import Alone, logistic, told
from streams.leaks import IMPLAUSIBLE, leaks, too_good
from streams.measure import auc


def test_logistic_regression_finds_the_weights_that_made_the_labels() -> None:
    rng = np.random.default_rng(1)
    x = np.stack([np.ones(40_000), rng.normal(0, 1, 40_000), rng.uniform(0, 200, 40_000)], axis=1)
    truth = (-1.0, 0.8, 0.01)
    y = (rng.random(len(x)) < told(truth, x)).astype(np.float64)
    assert logistic(x, y) == pytest.approx(truth, rel=0.12)


def test_at_its_optimum_no_weight_can_be_bettered() -> None:
    """The mean told equals the mean seen, also weighted by each column: the equations that define the regression."""
    rng = np.random.default_rng(2)
    x = np.stack([np.ones(500), rng.exponential(3, 500)], axis=1)
    y = (rng.random(500) < 0.3).astype(np.float64)
    p = told(logistic(x, y), x)
    assert np.allclose(x.T @ (p - y), 0, atol=0.05)


@given(arrays(np.float64, 30, elements=st.floats(-50, 50)), st.lists(st.booleans(), min_size=30, max_size=30))
def test_a_single_feature_ranks_the_same_turned_around(values: np.ndarray, quiet: list[bool]) -> None:
    y = np.array(quiet, np.float64)
    if 0 < y.sum() < len(y):
        one, other = Alone.fit(values, y), Alone.fit(-values, y)
        assert one.auc == pytest.approx(other.auc)
        assert auc(one.score(values), y) == pytest.approx(one.auc)
        assert one.auc >= 0.5


def test_what_never_happened_ranks_at_the_end_where_it_belongs() -> None:
    values, y = np.array([1.0, 2.0, np.nan, np.nan]), np.array([0.0, 0.0, 1.0, 1.0])
    assert Alone.fit(values, y).auc == 1.0
    assert Alone.fit(values, 1 - y).auc == 1.0
    assert Alone.fit(np.full(4, np.nan), y).auc == 0.5


def test_a_feature_that_tells_the_answer_is_named() -> None:
    y = np.array([0.0, 1.0] * 50)
    alone = {"honest": Alone.fit(np.arange(100.0), y), "told": Alone.fit(y * 3, y)}
    (flag,) = leaks(alone)
    assert flag.startswith("told alone ranks at AUC 1.000")
    assert alone["honest"].auc < IMPLAUSIBLE
    assert not too_good(0.99)
    assert too_good(0.999)
