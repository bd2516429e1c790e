"""Quiet hours on the lead's own clock, also in the two nights of the year in which that clock jumps."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.commands import QuietWindow
from streams.quiet_hours import is_quiet, quiet_until

NEW_YORK = "America/New_York"  # forward on 2026-03-08 02:00 EST, back on 2026-11-01 02:00 EDT
LORD_HOWE = "Australia/Lord_Howe"  # puts the clock by half an hour
MINUTE = timedelta(minutes=1)


def window(start: str, end: str, zone: str = NEW_YORK) -> QuietWindow:
    """From `HH:MM` to `HH:MM`."""
    minutes = [int(text[:2]) * 60 + int(text[3:]) for text in (start, end)]
    return QuietWindow(start_minute=minutes[0], end_minute=minutes[1], timezone=zone)


def local(text: str, zone: str = NEW_YORK, fold: int = 0) -> datetime:
    """A wall clock reading."""
    # In UTC: Python never calls readings of two zones equal while one of them comes twice.
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("at", "start", "end", "quiet"),
    [
        ("2026-06-01T20:00", "20:00", "09:00", True),
        ("2026-06-01T19:59", "20:00", "09:00", False),
        ("2026-06-02T08:59", "20:00", "09:00", True),
        ("2026-06-02T09:00", "20:00", "09:00", False),
        ("2026-06-02T00:00", "20:00", "09:00", True),
        ("2026-06-02T12:00", "12:00", "13:00", True),
        ("2026-06-02T13:00", "12:00", "13:00", False),
        ("2026-06-02T12:00", "12:00", "12:00", False),
    ],
)
def test_a_window_holds_its_start_and_not_its_end(at: str, start: str, end: str, quiet: bool) -> None:
    assert is_quiet(local(at), window(start, end)) is quiet


@pytest.mark.parametrize(
    ("at", "start", "end", "until"),
    [
        ("2026-06-01T22:30", "20:00", "09:00", "2026-06-02T09:00"),
        ("2026-06-02T03:00", "20:00", "09:00", "2026-06-02T09:00"),
        ("2026-03-07T22:00", "20:00", "09:00", "2026-03-08T09:00"),  # spring: an hour shorter in real time
        ("2026-10-31T22:00", "20:00", "09:00", "2026-11-01T09:00"),  # autumn: an hour longer
        ("2026-03-08T01:00", "20:00", "02:30", "2026-03-08T03:00"),  # 02:30 does not exist: the clock jumps over it
    ],
)
def test_quiet_until_is_the_wall_clocks_end(at: str, start: str, end: str, until: str) -> None:
    assert quiet_until(local(at), window(start, end)) == local(until)


def test_real_time_of_a_spring_and_an_autumn_night() -> None:
    spring = local("2026-03-07T22:00").astimezone(UTC)
    autumn = local("2026-10-31T22:00").astimezone(UTC)
    assert quiet_until(spring, window("20:00", "09:00")) - spring == timedelta(hours=10)
    assert quiet_until(autumn, window("20:00", "09:00")) - autumn == timedelta(hours=12)


def test_an_hour_that_comes_twice_is_quiet_twice() -> None:
    night = window("22:00", "01:30")
    first = quiet_until(local("2026-11-01T01:10"), night)
    assert first == local("2026-11-01T01:30")
    again = local("2026-11-01T01:10", fold=1)
    assert is_quiet(again, night)
    assert quiet_until(again, night) == local("2026-11-01T01:30", fold=1)


def test_a_window_whose_only_open_hour_is_skipped_lasts_a_day_longer() -> None:
    almost_always = window("03:00", "02:00")
    assert quiet_until(local("2026-03-07T12:00"), almost_always) == local("2026-03-09T02:00")


def test_an_unknown_zone_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        is_quiet(datetime(2026, 1, 1, tzinfo=UTC), window("20:00", "09:00", "Mars/Olympus"))


instants = st.datetimes(datetime(2026, 2, 25), datetime(2026, 11, 10), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
minutes = st.integers(0, 1439)
windows = st.builds(
    QuietWindow, start_minute=minutes, end_minute=minutes,
    timezone=st.sampled_from([NEW_YORK, LORD_HOWE, "Europe/Berlin", "Asia/Kathmandu", "UTC"]),
)  # fmt: skip
near_the_change = st.builds(
    lambda hours: datetime(2026, 3, 8, tzinfo=UTC) + timedelta(minutes=hours), st.integers(-2000, 2000)
)


@given(st.one_of(instants, near_the_change), windows)
def test_laws(at: datetime, quiet: QuietWindow) -> None:
    until = quiet_until(at, quiet)
    assert until >= at
    assert not is_quiet(until, quiet)
    if not is_quiet(at, quiet):
        assert until == at
    else:
        step = at
        while step < until:
            assert is_quiet(step, quiet), f"{until} is too late: {step} is open"
            step = min(step + 7 * MINUTE, until - timedelta(microseconds=1)) if step + MINUTE < until else until
    assert quiet.start_minute != quiet.end_minute or until == at


@given(instants, windows)
def test_only_the_instant_counts_not_its_zone(at: datetime, quiet: QuietWindow) -> None:
    assert is_quiet(at, quiet) == is_quiet(at.astimezone(ZoneInfo("Asia/Tokyo")), quiet)
