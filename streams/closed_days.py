"""Public holidays, on which nothing is sent to a lead. From the holidays library, which is pinned like the policy."""

from datetime import date
from functools import lru_cache


def closed_days(calendar: str | None, region: str | None, first: date, last: date) -> tuple[date, ...]:
    """Holidays from `first` to `last`: of the lead's own region where the library has it, else of the tenant's calendar.

    Args:
        calendar: A country or a subdivision of it (`US`, `DE-BY`); None: the tenant keeps no holidays, for nobody.
        region: Of the lead, in the same form.
        first: Local date of the lead.
        last: Not more than a few months later.
    """
    if calendar is None:
        return ()
    own = region if region is not None and is_calendar(region) else None
    own = own or (region.split("-")[0] if region is not None and is_calendar(region.split("-")[0]) else calendar)
    days = set().union(*(_of_year(own, year) for year in range(first.year, last.year + 1)))
    return tuple(sorted(day for day in days if first <= day <= last))


@lru_cache(maxsize=1024)
def is_calendar(calendar: str) -> bool:
    """Whether there is such a country, and such a subdivision of it."""
    import holidays  # noqa: PLC0415 - 0.4 s for the first calendar, and only tenants with holidays need one

    country, _, subdivision = calendar.partition("-")
    known = holidays.list_supported_countries(include_aliases=False)
    return country in known and (not subdivision or subdivision in known[country])


@lru_cache(maxsize=512)
def _of_year(calendar: str, year: int) -> frozenset[date]:
    import holidays  # noqa: PLC0415 - as above

    country, _, subdivision = calendar.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=year, expand=False))
