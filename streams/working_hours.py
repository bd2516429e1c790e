"""Working time: deadlines for people count only while people are at work, on the tenant's clock and calendar."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from streams.closed_days import closed_days
from streams.thresholds import WEEKDAYS, WorkingHours

LONGEST_BREAK = 60
"""Days; a calendar that is closed for longer has no working time."""


def at_work(at: float, rules: WorkingHours | None, zone: str, calendar: str | None) -> bool:
    """Whether it is working time at a moment (epoch seconds); see `working_until`."""
    if rules is None:
        return True
    local = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone))
    if WEEKDAYS[local.weekday()] not in rules.days or closed_days(calendar, None, local.date(), local.date()):
        return False
    opens, shuts = rules.minutes
    return opens <= local.hour * 60 + local.minute < shuts


def working_until(start: float, hours: float, rules: WorkingHours | None, zone: str, calendar: str | None) -> float:
    """When so many working hours have passed since a moment (epoch seconds).

    Args:
        start: Epoch seconds.
        hours: Of working time, above 0.
        rules: The tenant's; None: every hour is one.
        zone: Of the tenant.
        calendar: Whose holidays are no working days; None: nobody's.
    """
    if rules is None:
        return start + hours * 3600
    tz, left = ZoneInfo(zone), hours * 3600
    day = datetime.fromtimestamp(start, UTC).astimezone(tz).date()
    closed = set(closed_days(calendar, None, day, day + timedelta(days=LONGEST_BREAK)))
    unused = 0
    while unused < LONGEST_BREAK:
        if WEEKDAYS[day.weekday()] in rules.days and day not in closed:
            opens, shuts = (
                datetime(day.year, day.month, day.day, *divmod(minute, 60), tzinfo=tz).timestamp()
                for minute in rules.minutes
            )
            begins = max(opens, start)
            if begins + left <= shuts:
                return begins + left
            left -= max(shuts - begins, 0.0)
            unused = 0 if shuts > begins else unused + 1
        else:
            unused += 1
        day += timedelta(days=1)
    return start + hours * 3600
