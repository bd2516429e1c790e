"""The clock a lead lives by: its own zone, else that of its phone number, else that of its region, else the tenant's.

Prefixes and regions come from the phonenumbers library, which is pinned: a new version of it is a change like one of the
policy. A number or region with several zones speaks only while they all show the same time.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streams.record import Profile

UNKNOWN = "Etc/Unknown"


class Zone(NamedTuple):
    """An IANA zone, and in words from where it is known."""

    name: str
    source: str


def zone_of(profile: Profile, regions: Mapping[str, str], tenants: str, now: float) -> Zone:
    """The first rung of the ladder that knows a zone.

    Args:
        profile: of the lead.
        regions: zones of regions (`US-CA`, `DE`) by the policy; they beat what the country's numbers say.
        tenants: the policy's zone, at the foot of the ladder.
        now: epoch seconds; whether several zones show the same time may depend on it.
    """
    if profile.timezone:
        return Zone(profile.timezone, "the lead's own")
    if profile.phone and (zone := _agreed(_zones_of_number(profile.phone), now)):
        return Zone(zone, "by the phone number")
    if region := profile.region:
        country = region.split("-")[0]
        if named := regions.get(region) or regions.get(country):
            return Zone(named, f"by the region {region}")
        if zone := _agreed(_zones_of_country(country), now):
            return Zone(zone, f"by the region {region}")
    return Zone(tenants, "the tenant's")


def _agreed(zones: Sequence[str], now: float) -> str | None:
    at = datetime.fromtimestamp(now, UTC)
    offsets = {at.astimezone(ZoneInfo(zone)).utcoffset() for zone in zones}
    return zones[0] if len(offsets) == 1 else None


@lru_cache(maxsize=4096)
def _zones_of_number(phone: str) -> tuple[str, ...]:
    import phonenumbers  # noqa: PLC0415 - 60 ms to import, and needed only for leads without a zone of their own
    from phonenumbers import timezone  # noqa: PLC0415 - as above

    try:
        found = timezone.time_zones_for_number(phonenumbers.parse(phone, None))
    except phonenumbers.NumberParseException:
        return ()
    return tuple(zone for zone in found if zone != UNKNOWN)


@lru_cache(maxsize=512)
def _zones_of_country(country: str) -> tuple[str, ...]:
    import phonenumbers  # noqa: PLC0415 - as above
    from phonenumbers import timezone  # noqa: PLC0415 - as above

    example = phonenumbers.example_number(country)
    if example is None:
        return ()
    anywhere = phonenumbers.PhoneNumber(country_code=example.country_code, national_number=0)
    found = timezone.time_zones_for_geographical_number(anywhere)
    return tuple(zone for zone in found if zone != UNKNOWN)
