"""Time to churn: weeks from fates, fates from moments, and a forecast that says no more than the chances do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streams.features import DAY
from streams.hazard import EARLIEST, LATEST, STEP_DAYS, Fate, expand, fates, forecasts, share_lost, steps_of, survival
from streams.labels import Moments
from streams.vector import COLUMN, NAMES

hazards = arrays(np.float64, (1, 8), elements=st.floats(0, 1))


def moments(*pairs: tuple[int, float]) -> Moments:
    """(lead, day), by time."""
    return Moments(np.array([p[0] for p in pairs], np.int64), np.array([p[1] * DAY for p in pairs]))


def test_fates_are_what_was_seen() -> None:
    """Lead 0 is lost on day 9, lead 1 only after what is known, lead 2 never, lead 3 was lost before."""
    fate = fates(4, moments((3, -2.0), (0, 9.0), (1, 40.0)), 0.0, 4, 24 * DAY)
    assert fate.watched.tolist() == [2, 3, 3, 3]
    assert fate.days.tolist() == [9.0, np.inf, np.inf, np.inf]


def test_every_watched_week_is_a_row_and_the_last_of_a_lost_lead_is_its_loss() -> None:
    x = np.zeros((3, len(NAMES)))
    x[:, COLUMN["silent_days"]] = [5, 6, 7]
    rows, y = expand(x, Fate(np.array([2, 3, 0]), np.array([9.0, np.inf, np.inf])))
    assert y.tolist() == [0, 1, 0, 0, 0]
    assert rows[:, -2].tolist() == [1, 2, 1, 2, 3]
    assert rows[:, -1].tolist() == [12, 19, 13, 20, 27]


@given(hazards, st.lists(st.floats(0, 56), min_size=2, max_size=6))
def test_the_chance_of_being_lost_only_grows(h: np.ndarray, days: list[float]) -> None:
    still = survival(h)
    assert (np.diff(np.append(1.0, still[0])) <= 0).all()
    shares = [float(share_lost(still, d)[0]) for d in sorted(days)]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1 + 1e-12


@given(hazards)
def test_the_interval_holds_what_it_says(h: np.ndarray) -> None:
    still = survival(h)
    told = forecasts(still)[0]
    if told.earliest_days is not None:
        assert share_lost(still, told.earliest_days)[0] == pytest.approx(EARLIEST, abs=0.06 + 1e-9)
    else:
        assert 1 - still[0, -1] < EARLIEST
    if told.latest_days is not None:
        assert told.earliest_days is not None
        assert told.earliest_days <= told.latest_days <= 8 * STEP_DAYS
        assert share_lost(still, told.latest_days + 0.05)[0] >= LATEST - 1e-9
    soon = float(share_lost(still, 7.0)[0])
    assert (told.band == "<7") == (soon > 0.5) or soon == pytest.approx(0.5)


def test_one_that_is_lost_for_sure_in_the_second_week_is_told_so() -> None:
    hazards = np.array([[0.0, 1.0, 0.0, 0.0], [0.0] * 4, [1.0, 0.0, 0.0, 0.0]])
    told = forecasts(survival(hazards))
    assert told == [("7-14", 7.7, 13.3), (">30", None, None), ("<7", 0.7, 6.3)]
    assert told == [forecasts(survival(row[None, :]))[0] for row in hazards]


def test_weeks_reach_beyond_the_horizon_but_not_without_end() -> None:
    assert [steps_of(days) for days in (3, 14, 30, 90, 1000)] == [4, 4, 6, 16, 16]
