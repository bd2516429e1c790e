"""A change of what becomes of leads is seen, and overlapping horizons are not taken for more evidence."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.features import DAY, Floats, Ints
from streams.labels import Label
from streams.outcomes import outcome_changes

LABEL = Label(horizon_days=30, every_days=7)
LOOKS, LEADS = 30, 1_000


def judged(seed: int, rates: Sequence[float], told: Sequence[float]) -> tuple[Ints, Floats, Floats, Floats]:
    """Every lead at every look; its outcome at neighbouring looks is one and the same, as with horizons that overlap."""
    rng = np.random.default_rng(seed)
    leads = np.tile(np.arange(LEADS), LOOKS)
    look = np.repeat(np.arange(LOOKS), LEADS)
    luck = rng.uniform(0, 1, (LOOKS // 5 + 1, LEADS))[look // 5, leads]
    half = (look >= LOOKS // 2).astype(int)
    y = (luck < np.array(rates)[half]).astype(np.float64)
    p: Floats = np.array(told, np.float64)[half]
    return leads.astype(np.int64), (look * 7 * DAY).astype(np.float64), p, y


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_the_same_business_as_before_is_no_change(seed: int) -> None:
    assert outcome_changes(*judged(seed, [0.3, 0.3], [0.3, 0.3]), LABEL) == ()


def test_others_go_quiet_and_nobody_told_so() -> None:
    quiet, error = outcome_changes(*judged(1, [0.2, 0.5], [0.2, 0.2]), LABEL)
    assert {quiet.of, error.of} == {"quiet", "error"}
    for one in (quiet, error):
        assert one.since / DAY == pytest.approx(LOOKS // 2 * 7, abs=14)
    told = {one.of: (one.before, one.after) for one in (quiet, error)}
    assert told["quiet"] == pytest.approx((0.2, 0.5), abs=0.05)
    assert told["error"] == pytest.approx((0.0, 0.3), abs=0.05)


def test_what_was_told_is_no_change_of_the_error() -> None:
    found = outcome_changes(*judged(1, [0.2, 0.5], [0.2, 0.5]), LABEL)
    assert {one.of for one in found} == {"quiet"}


def test_of_nothing_nothing_is_said() -> None:
    none = np.zeros(0)
    assert outcome_changes(none.astype(np.int64), none, none, none, LABEL) == ()
