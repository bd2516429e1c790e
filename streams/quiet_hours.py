"""Quiet hours: the local hours, days off and holidays of a lead, in which nothing may be sent.

Asked twice: by the lead agent when it decides, and by the courier right before the call.
The window is read on the lead's own wall clock, also in the nights in which that clock is put forward or back.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from schemas.commands import QuietWindow

MINUTE = timedelta(minutes=1)
DAY_MINUTES = 24 * 60
SEARCH_MINUTES = 3 * DAY_MINUTES
"""A window that leaves open only the hour which a spring night skips is quiet for two days, never for three."""


def is_quiet(at: datetime, window: QuietWindow) -> bool:
    """Whether the lead's wall clock is inside the window (start included, end not), or its calendar shows a day that is off.

    Laws: start == end means never quiet; a window over midnight (21:00 to 08:00) is quiet on both sides of it; the
    answer depends on nothing but the minute and the date that the wall clock shows.

    Args:
        at: Any aware instant.
        window: Minutes after local midnight and the IANA zone in which they count.

    Raises:
        KeyError, ValueError: The zone is unknown (`zoneinfo.ZoneInfoNotFoundError` is a KeyError).
    """
    local = at.astimezone(ZoneInfo(window.timezone))
    if local.weekday() in window.days_off or local.date() in window.closed:
        return True
    minute = local.hour * 60 + local.minute
    start, end = window.start_minute, window.end_minute
    return start <= minute < end if start <= end else minute >= start or minute < end


def quiet_until(at: datetime, window: QuietWindow) -> datetime:
    """The first instant from `at` on that is not quiet.

    Laws: never before `at`; not quiet itself; everything from `at` up to it is quiet; `at` itself when it is not quiet.

    Args:
        at: Any aware instant.
        window: As for `is_quiet`.

    Returns:
        `at` unchanged, or a full minute in UTC.
    """
    while is_quiet(at, window):
        at = _end_of_day_off(at, window) or _end_of_hours(at, window)
    return at


def _end_of_day_off(at: datetime, window: QuietWindow) -> datetime | None:
    """Local midnight after a day that is off as a whole; None when `at` is on no such day."""
    zone = ZoneInfo(window.timezone)
    day = at.astimezone(zone).date()
    if day.weekday() not in window.days_off and day not in window.closed:
        return None
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)


def _end_of_hours(at: datetime, window: QuietWindow) -> datetime:
    """The end of the quiet hours that `at` is in."""
    zone = ZoneInfo(window.timezone)
    now = at.astimezone(UTC).replace(second=0, microsecond=0)
    local = now.astimezone(zone)
    left = (window.end_minute - local.hour * 60 - local.minute) % DAY_MINUTES
    end = now + left * MINUTE
    if end.astimezone(zone).utcoffset() == local.utcoffset():
        return end
    # The clock is changed before the window ends: the end may come an hour sooner or later, twice, or not at all.
    hours = window.model_copy(update={"days_off": (), "closed": ()})
    return next(moment for step in range(1, SEARCH_MINUTES) if not is_quiet(moment := now + step * MINUTE, hours))


@lru_cache(maxsize=1024)
def open_hours(start_minute: int, end_minute: int) -> Sequence[int]:
    """Hours of an ordinary day in which nothing is quiet; all of them where none is wholly open."""
    window = QuietWindow(start_minute=start_minute, end_minute=end_minute, timezone="UTC")
    free = [
        hour
        for hour in range(24)
        if not any(is_quiet(datetime(2026, 1, 5, hour, minute, tzinfo=UTC), window) for minute in range(60))
    ]
    return free or range(24)
