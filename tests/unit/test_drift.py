"""Drift: told where there is some, and not where chance alone moves figures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.snapshots import ActivityLog
from agents.spread import RISK, Spread
from streams.adwin import changes
from streams.drift import LEAST, by_chance, drift, psi, reference
from streams.features import DAY, Floats
from streams.risk import RuleScorer
from streams.vector import COLUMN
from streams.vector import NAMES as NAMES_OF_FEATURES
from tests.planted import LABEL, POLICY, START, planted_log

seeds = st.integers(0, 100_000)


def spread(seed: int, n: int, shift: float = 0.0) -> Floats:
    """A normal feature, one with many equal values, one that is often unknown."""
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1, (n, 3))
    x[:, 1] = np.round(np.maximum(x[:, 1], 0))
    x[rng.uniform(0, 1, n) < 0.3, 2] = np.nan
    return x


NAMES = ("plain", "lumpy", "gappy")
THEN = {name: reference(spread(1, 50_000)[:, i]) for i, name in enumerate(NAMES)}


@given(seeds, st.integers(LEAST, 5_000))
def test_leads_of_the_same_kind_have_not_moved(seed: int, n: int) -> None:
    found = drift(THEN, 50_000, spread(seed, n), NAMES)
    assert {one.feature for one in found} == set(NAMES)
    assert not any(one.moved for one in found)
    assert all(one.psi <= one.by_chance for one in found) or n < 2 * LEAST


@given(seeds)
def test_a_shift_by_a_standard_deviation_is_seen_everywhere(seed: int) -> None:
    """0.93 on a plain feature (notes on what shifts give); nothing is said of few."""
    found = drift(THEN, 50_000, spread(seed, LEAST, 1.0), NAMES)
    assert all(one.moved for one in found)
    assert [one.psi for one in found] == sorted((one.psi for one in found), reverse=True)
    assert not drift(THEN, 50_000, spread(seed, LEAST - 1, 1.0), NAMES)
    assert not drift(THEN, LEAST - 1, spread(seed, LEAST, 1.0), NAMES)


def test_a_small_shift_is_no_chance_and_no_matter() -> None:
    """A quarter of a standard deviation: 0.06 (notes on what shifts give)."""
    found = drift(THEN, 50_000, spread(5, 20_000, 0.25), NAMES)
    assert all(one.by_chance < one.psi < 0.12 for one in found)
    assert not any(one.moved for one in found)


def test_chance_is_as_large_as_it_is_said_to_be() -> None:
    """PSI without drift has mean (bins - 1)(1/n + 1/m); the bound lies well above, and is exceeded by next to nobody."""
    shown = [psi(THEN["plain"], 50_000, spread(seed, 1_000)[:, 0]) for seed in range(300)]
    bins = len(THEN["plain"].shares) - 1  # nothing is unknown of it
    assert np.mean(shown) == pytest.approx((bins - 1) * (1 / 1_000 + 1 / 50_000), rel=0.15)
    assert max(shown) < by_chance(bins + 1, 50_000, 1_000, 50)


def test_what_is_no_longer_told_has_moved() -> None:
    gone = spread(3, 2_000)
    gone[:, 0] = np.nan
    assert drift(THEN, 50_000, gone, NAMES)[0].feature == "plain"


def test_a_model_knows_how_its_leads_were_and_sees_what_has_moved() -> None:
    log = ActivityLog.read(planted_log(1_500), POLICY)
    (shot,) = log.snapshots([START.timestamp() + 250 * DAY], LABEL.model_copy(update={"eligible_days": None}))
    x, risk = shot.x, RuleScorer().score(shot.x)
    made = Spread.of(x, risk, shot.leads)
    spread_of = Spread.model_validate_json(made.model_dump_json())
    assert spread_of == made
    assert spread_of.leads == len(x) >= LEAST
    assert set(spread_of.features) == {*NAMES_OF_FEATURES, RISK}
    assert spread_of.known("mood") == 0
    known = {one.feature: one.psi for one in spread_of.drift(x, risk)}
    assert max(known.values()) < 0.001
    x[:, COLUMN["usual_gap_days"]] *= 3
    later = {one.feature: one for one in spread_of.drift(x, risk)}
    assert later["usual_gap_days"].moved
    assert later["usual_gap_days"].psi > known["usual_gap_days"]
    assert {name: one.psi for name, one in later.items() if name != "usual_gap_days"} == {
        name: far for name, far in known.items() if name != "usual_gap_days"
    }


def test_a_steady_rate_hardly_ever_changes() -> None:
    """300 years of some 4,000 outcomes, at rates from 5 to 95 %: at most one false alarm."""
    steady = [np.random.default_rng([7, i]).binomial(1, 0.05 + 0.003 * i, 4_000).astype(float) for i in range(300)]
    assert sum(bool(changes(values)) for values in steady) <= 1


@given(seeds, st.sampled_from([(0.1, 0.25), (0.5, 0.3), (0.9, 0.75)]))
@settings(max_examples=30)
def test_a_change_is_found_near_where_it_was(seed: int, rates: tuple[float, float]) -> None:
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.binomial(1, rate, 3_000) for rate in rates]).astype(np.float64)
    found = changes(values)
    assert found
    assert abs(found[0].since - 3_000) < 600
    assert found[0].seen >= 3_000
    last = found[-1]
    assert last.after == pytest.approx(rates[1], abs=0.08)
    assert found[0].before == pytest.approx(rates[0], abs=0.08)


def test_of_little_nothing_is_said() -> None:
    assert changes(np.zeros(0)) == []
    assert changes(np.concatenate([np.zeros(60), np.ones(60)])) == []
