"""A shop with a season: more go quiet in winter, every winter. Who learned in autumn has to know."""

import numpy as np
import pytest

from agents.snapshots import ActivityLog
from agents.train import train
from streams import lately
from streams.features import DAY, Batch, Floats
from streams.labels import Label
from streams.season import LEAST_ROWS, YEAR_DAYS, Told, shift, shifted, to_serve, twins

YEARS = 3
LABEL = Label(horizon_days=28, eligible_days=84)


def seasonal_log(leads: int = 700, seed: int = 4, *, begins: float = 0.0, stays_days: float = np.inf) -> ActivityLog:
    """Customers who buy about every three weeks, for half of the year; a third as often in the other half.

    Args:
        leads: So many, all there from the first day.
        seed: Of the draws.
        begins: Day of the year on which the log does; the slow half is from day 182 on.
        stays_days: How long a customer is one, on the average.
    """
    rng = np.random.default_rng(seed)
    rows, times = [], []
    for lead in range(leads):
        pace = rng.uniform(0.02, 0.1)
        year = _warm(np.arange(YEARS * YEAR_DAYS) + begins)
        days = np.flatnonzero(rng.random(int(YEARS * YEAR_DAYS)) < pace * year)
        if np.isfinite(stays_days):
            days = days[days < rng.exponential(stays_days)]
        rows += [lead] * len(days)
        times += ((days + 0.5) * DAY + 1.5e9).tolist()
    order = np.argsort(times, kind="stable")
    n, at = len(rows), np.array(times)[order]
    batch = Batch(
        np.array(rows)[order], at.tolist(), [4] * n, [True] * n, [1000] * n, [np.nan] * n,
        list(range(1, n + 1)), [True] * n,
    )  # fmt: skip
    return ActivityLog(batch, at, [f"t:L{i}".encode() for i in range(leads)])


def _warm(days: Floats) -> Floats:
    return np.where((days % YEAR_DAYS) < YEAR_DAYS / 2, 1.0, 0.33)


def test_after_a_year_the_season_that_comes_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that begins when the slow half of the third year does: told with the season, and without it."""
    log = seasonal_log()
    until = 1.5e9 + (2 * YEAR_DAYS + YEAR_DAYS / 2) * DAY
    log.end = until + 56 * DAY
    knowing = train(log, LABEL, until).manifest
    monkeypatch.setattr("streams.season.shift", lambda *_: 0.0)
    unknowing = train(log, LABEL, until).manifest
    assert knowing.tested is not None
    assert unknowing.tested is not None
    assert knowing.season > 0.3
    assert knowing.tested.model["auc"] == unknowing.tested.model["auc"]
    assert knowing.tested.model["ece"] < unknowing.tested.model["ece"] / 2
    assert knowing.tested.model["log_loss"] < unknowing.tested.model["log_loss"]


def test_without_a_year_before_nothing_is_carried_over() -> None:
    log = seasonal_log(300)
    assert train(log, LABEL, 1.5e9 + 300 * DAY).manifest.season == 0.0


def test_before_that_the_newest_weeks_tell_what_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two weeks of the slow half are known of its first leads; all finished labels are from the other half."""
    log = seasonal_log(1_000)
    until = 1.5e9 + (YEAR_DAYS / 2 + 28) * DAY
    log.end = until + 56 * DAY
    knowing = train(log, LABEL, until).manifest
    monkeypatch.setattr("streams.lately.shift", lambda *_: 0.0)
    unknowing = train(log, LABEL, until).manifest
    assert knowing.tested is not None
    assert unknowing.tested is not None
    assert knowing.season == 0.0
    assert knowing.lately > 0.2
    assert knowing.tested.model["auc"] == unknowing.tested.model["auc"]
    assert knowing.tested.model["ece"] < unknowing.tested.model["ece"] - 0.03
    assert knowing.tested.model["log_loss"] < unknowing.tested.model["log_loss"]


def test_of_half_a_horizon_half_is_carried_over() -> None:
    short = Told(np.full(LEAST_ROWS, 0.5), np.repeat([0.0, 1.0, 1.0, 1.0], LEAST_ROWS // 4))
    assert lately.shift(short) == pytest.approx(np.log(3) / 2)
    assert lately.shift(Told(short.p[1:], short.y[1:])) == 0.0
    assert lately.part_of(LABEL).reach == LABEL.reach / 2
    begin = 1.6e9
    assert lately.newest(begin, LABEL, 7 * DAY) == [begin - 21 * DAY, begin - 14 * DAY]


def test_the_shift_is_what_one_season_fell_short_more_than_the_other() -> None:
    n = LEAST_ROWS
    honest = Told(np.full(n, 0.5), np.repeat([0.0, 1.0], n // 2))
    short = Told(np.full(n, 0.5), np.repeat([0.0, 1.0, 1.0, 1.0], n // 4))
    assert shift(honest, short) == pytest.approx(np.log(3))
    assert shift(short, honest) == pytest.approx(-np.log(3))
    assert shift(short, short) == 0.0
    assert shift(honest, Told(short.p[:10], short.y[:10])) == 0.0
    assert shifted(np.array([0.5]), np.log(3))[0] == pytest.approx(0.75)


def test_the_same_weeks_a_year_before_are_on_the_same_weekday() -> None:
    served = to_serve(1.6e9, 7.0)
    assert len(served) == 4
    assert all((a - b) % (7 * DAY) == 0 for a, b in zip(served, twins(served), strict=True))
