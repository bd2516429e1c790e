"""Fourteen months of a shop: last winter had just begun when the log did, and is known by its volume alone."""

import numpy as np
import pytest

from agents.train import train
from streams import volume
from streams.features import DAY
from streams.labels import Label, Moments
from streams.season import LEAST_ROWS, MOST, YEAR_DAYS, Told
from tests.unit.test_season import LABEL, seasonal_log

START, SUMMER = 1.5e9, 122.0
"""Where a log begins, 60 days before the slow half of its year."""
UNTIL = START + (YEAR_DAYS + 182 - SUMMER) * DAY
"""Where the next slow half begins."""


def test_the_level_of_the_coming_weeks_is_that_of_last_years_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    log = seasonal_log(800, begins=SUMMER)
    log.end = UNTIL + 42 * DAY
    knowing = train(log, LABEL, UNTIL).manifest
    monkeypatch.setattr("streams.volume.ahead", lambda *_: None)
    unknowing = train(log, LABEL, UNTIL).manifest
    assert unknowing.season == 0.0
    assert knowing.season > 0.5
    assert knowing.tested is not None
    assert unknowing.tested is not None
    assert knowing.tested.model["auc"] == unknowing.tested.model["auc"]
    assert knowing.tested.model["ece"] < unknowing.tested.model["ece"] / 2
    assert knowing.tested.model["log_loss"] < unknowing.tested.model["log_loss"]


def test_of_a_cohort_last_years_volume_is_no_measure() -> None:
    log = seasonal_log(2_000, begins=SUMMER, stays_days=250.0)
    grown = volume.growth(volume.visits(log.life), log.start, UNTIL)
    assert grown is not None, "known well enough: it is the level that is refused"
    assert 0.1 < grown < 0.4
    assert ahead(log.life) is None


def daily(days: int, per_day: list[int]) -> Moments:
    """So many leads are there on each day, from `START` on; the day's last figure holds until the end."""
    counts = (per_day + per_day[-1:] * days)[:days]
    leads = [lead for n in counts for lead in range(n)]
    return Moments(np.array(leads), START + DAY * np.repeat(np.arange(days) + 0.5, counts))


def ahead(life: Moments, label: Label = LABEL, begin: float = UNTIL) -> float | None:
    """As asked for when a model is trained, with labels of the last weeks."""
    calibrate = [begin - label.reach - i * 7 * DAY for i in range(3)]
    return volume.ahead(volume.visits(life), START, begin, calibrate, label)


def test_it_is_last_years_weeks_over_those_of_the_calibration_by_the_growth_since() -> None:
    life = daily(430, [50] * 60 + [20] * 60 + [40] * 244 + [55] * 60)
    found = ahead(life)
    assert found == pytest.approx(20 / 50), "20 of 55 a day, and 55 of 50 since last year"
    later = Moments(np.append(life.leads, [7] * 999), np.append(life.times, np.linspace(UNTIL, UNTIL + 9 * DAY, 999)))
    assert ahead(later) == found, "nothing from there on is looked at"
    weeks = 52 * 7 * DAY
    moved = Moments(life.leads, life.times + weeks)
    calibrate = [UNTIL + weeks - LABEL.reach - i * 7 * DAY for i in range(3)]
    assert volume.ahead(volume.visits(moved), START + weeks, UNTIL + weeks, calibrate, LABEL) == found


@pytest.mark.parametrize(
    ("per_day", "label"),
    [
        ([50] * 364 + [39], LABEL),  # three quarters of last year's
        ([39] * 364 + [50], LABEL),
        ([6] * 364 + [6], LABEL),  # 360 visits a year ago
        ([50], LABEL.model_copy(update={"churn": "closed"})),
        ([50], LABEL.model_copy(update={"horizon_days": 365.0})),
    ],
)
def test_it_is_not_known(per_day: list[int], label: Label) -> None:
    assert ahead(daily(430, per_day), label) is None


def test_less_than_two_weeks_in_both_years_are_too_few() -> None:
    life = daily(430, [50])
    begin = START + (YEAR_DAYS + volume.LEAST_KNOWN_DAYS) * DAY
    assert ahead(life, begin=begin) == pytest.approx(1.0)
    assert ahead(life, begin=begin - DAY) is None


def test_who_comes_ten_times_in_an_afternoon_was_there_once() -> None:
    times = START + np.array([0.1, 0.2, 0.2, 0.3, 1.1]) * DAY
    assert volume.visits(Moments(np.array([3, 3, 4, 3, 3]), times)).tolist() == times[[0, 2, 4]].tolist()


def test_what_the_newest_weeks_show_beyond_their_volume_is_added() -> None:
    p, nothing = np.linspace(0.1, 0.6, 101), Told(np.zeros(0), np.zeros(0))
    assert volume.shifts(p, 1.0, nothing) == pytest.approx((0.0, 0.0), abs=1e-9)
    quieter, rest = volume.shifts(p, 0.5, nothing)
    assert quieter > 0
    assert rest == 0.0
    n = LEAST_ROWS
    short = Told(np.full(n, 0.5), np.repeat([0.0, 1.0, 1.0, 1.0], n // 4))
    assert volume.shifts(p, 1.0, short) == pytest.approx((0.0, np.log(3)), abs=1e-9)
    assert sum(volume.shifts(p, 0.05, short)) == pytest.approx(MOST)
    assert volume.shifts(np.zeros(0), 0.5, short) == (0.0, 0.0)
