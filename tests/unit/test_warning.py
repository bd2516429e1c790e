"""How early we knew: shares and volume by hand, on leads whose fate is written down."""

import numpy as np

from streams.features import DAY
from streams.labels import Moments, healthy_horizon, last_signs, lost
from streams.warning import Look, curve


def moments(*pairs: tuple[int, float]) -> Moments:
    """(lead, day), sorted by time."""
    ordered = sorted(pairs, key=lambda p: p[1])
    return Moments(np.array([p[0] for p in ordered], np.int64), np.array([p[1] * DAY for p in ordered]))


def look(day: float, *warned: bool) -> Look:
    """All of leads 0, 1, ... were judged; of some it was warned."""
    return Look(day * DAY, np.arange(len(warned)), np.array(warned))


def test_the_share_that_was_warned_of_so_long_before() -> None:
    looks = [look(0, False, False, True), look(7, True, False, True), look(14, True, True, True)]
    gone = moments((0, 21.0), (1, 22.0))
    told = curve(looks, gone, moments((0, 16.0), (1, 15.0)), 7 * DAY, least=1)
    assert told.days == (7.0, 14.0, 30.0)
    assert told.before_lost == (1.0, 0.5, None)
    assert told.before_last_sign == (0.5, 0.0, None)
    assert curve(looks, gone, moments(), 7 * DAY).before_lost == (None, None, None)  # of two leads no share is told
    assert told.contacted == 6 / 9
    assert told.median_days == np.median([14.0, 8.0])


def test_a_warning_that_was_taken_back_does_not_count_from_its_start() -> None:
    looks = [look(0, True), look(7, False), look(14, True)]
    assert curve(looks, moments((0, 20.0)), moments(), 7 * DAY).median_days == 6.0


def test_nothing_is_told_of_nobody() -> None:
    assert curve([], moments(), moments(), DAY).median_days is None
    assert curve([look(0, False)], moments((0, 5.0)), moments(), DAY).median_days is None


def test_lost_is_who_stayed_silent_for_a_horizon_that_is_over() -> None:
    life = moments((0, 1.0), (0, 5.0), (0, 40.0), (1, 20.0), (2, 38.0))
    gone, signs = lost(life, 45 * DAY, 10 * DAY)
    assert list(zip(gone.leads.tolist(), (gone.times / DAY).tolist(), strict=True)) == [(0, 15.0), (1, 30.0)]
    assert (signs.times / DAY).tolist() == [5.0, 20.0]


def test_last_signs_are_those_before_the_moment() -> None:
    life = moments((0, 1.0), (0, 5.0), (1, 3.0))
    found = last_signs(life, moments((0, 4.0), (1, 2.0), (2, 9.0)))
    assert (found.leads.tolist(), (found.times / DAY).tolist()) == ([0], [1.0])


def test_the_horizon_is_what_nearly_all_gaps_stay_under() -> None:
    """99 gaps of 10 days and one of 100; several signs of life on one day are one visit."""
    life = moments(*((0, 10.0 * i) for i in range(100)), *((0, 10.0 * i + 0.1) for i in range(100)), (0, 1090.0))
    assert healthy_horizon(life) == 10
    assert healthy_horizon(moments((0, 1.0), (1, 2.0))) is None
    assert healthy_horizon(moments((0, 0.0), (0, 2.0))) == 7
