"""Quiet hours: the local hours of a lead in which nothing may be sent.

Asked twice: by the lead agent when it decides, and by the courier right before the call.
The window is read on the lead's own wall clock, also in the nights in which that clock is put forward or back.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from schemas.commands import QuietWindow

MINUTE = timedelta(minutes=1)
DAY_MINUTES = 24 * 60
SEARCH_MINUTES = 3 * DAY_MINUTES
"""A window that leaves open only the hour which a spring night skips is quiet for two days, never for three."""


def is_quiet(at: datetime, window: QuietWindow) -> bool:
    """Whether the lead's wall clock is inside the window: start included, end not.

    Laws: start == end means never quiet; a window over midnight (21:00 to 08:00) is quiet on both sides of it; the
    answer depends on nothing but the minute that the wall clock shows.

    Args:
        at: Any aware instant.
        window: Minutes after local midnight and the IANA zone in which they count.

    Raises:
        KeyError, ValueError: The zone is unknown (`zoneinfo.ZoneInfoNotFoundError` is a KeyError).
    """
    local = at.astimezone(ZoneInfo(window.timezone))
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
    if not is_quiet(at, window):
        return at
    zone = ZoneInfo(window.timezone)
    now = at.astimezone(UTC).replace(second=0, microsecond=0)
    local = now.astimezone(zone)
    left = (window.end_minute - local.hour * 60 - local.minute) % DAY_MINUTES
    end = now + left * MINUTE
    if end.astimezone(zone).utcoffset() == local.utcoffset():
        return end
    # The clock is changed before the window ends: the end may come an hour sooner or later, twice, or not at all.
    return next(moment for step in range(1, SEARCH_MINUTES) if not is_quiet(moment := now + step * MINUTE, window))
