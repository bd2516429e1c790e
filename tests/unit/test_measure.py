"""Measures against their definitions, counted out."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from streams.features import Floats
from streams.measure import auc, average_precision, clustered_mean, ece, ece_by_chance, lift, log_loss, off_at_least

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


seeds = st.integers(0, 10_000)


@given(seeds, st.integers(200, 3_000))
def test_probabilities_that_are_right_are_not_surely_off(seed: int, n: int) -> None:
    """However few rows: the error that chance alone makes is left out."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0, 1, n)
    y = (rng.uniform(0, 1, n) < p).astype(np.float64)
    assert off_at_least(p, y, np.arange(n)) < 0.05
    assert off_at_least(p, y, np.arange(n)) <= ece(p, y)


@given(seeds, st.sampled_from([-1.0, 1.0]))
def test_what_is_off_by_a_fifth_is_surely_off_in_its_direction(seed: int, way: float) -> None:
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.3, 0.7, 2_000)
    y = (rng.uniform(0, 1, 2_000) < p + way * 0.2).astype(np.float64)
    off = off_at_least(p, y, np.arange(2_000))
    short = off_at_least(p, y, np.arange(2_000), only_short=True)
    assert 0.05 < off < 0.25
    assert (short == off) if way > 0 else (short == 0)


@given(seeds, st.integers(2, 10))
def test_saying_the_same_of_a_lead_again_makes_nothing_surer(seed: int, times: int) -> None:
    rng = np.random.default_rng(seed)
    p, y = rng.uniform(0, 1, 300), rng.integers(0, 2, 300).astype(np.float64)
    once = off_at_least(p, y, np.arange(300))
    again = off_at_least(np.repeat(p, times), np.repeat(y, times), np.repeat(np.arange(300), times))
    assert np.isclose(once, again)
    assert np.isclose(clustered_mean(y, np.arange(300))[1], y.std() / np.sqrt(300))


def test_chance_is_what_right_probabilities_show_on_average() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0, 1, 500)
    shown = [ece(p, (rng.uniform(0, 1, 500) < p).astype(np.float64)) for _ in range(200)]
    assert np.isclose(np.mean(shown), ece_by_chance(p), rtol=0.05)
