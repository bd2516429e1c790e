"""When leads are active, by the hours of their own day: counted from `lead.events`, for `streams.hours`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from agents.inbox_log import Received
from schemas.events import EVENT, ProfileUpdated, is_activity
from streams.env import EVERYONE
from streams.features import DAY
from streams.hours import DAYS
from streams.policy import Policy
from streams.record import Profile
from streams.vocabulary import Family, meaning
from streams.zone import zone_of

Lead = tuple[str, str]
PLACE = ("timezone", "phone", "region")
"""What tells the zone."""


class Habits:
    """Who is where, and what each lead did at which hours of the last days before a moment.

    Args:
        events: the inbox, partition by partition.
        policies: by tenant: what kinds of events mean, and the tenant's zone.
        until: the moment.
    """

    def __init__(self, events: Iterable[Received], policies: Mapping[str, Policy], until: datetime) -> None:
        """Read them."""
        self._policies = policies
        self._profiles: dict[Lead, Profile] = {}
        end = until.timestamp()
        times: dict[Lead, list[float]] = defaultdict(list)
        for one in events:
            try:
                body = EVENT.validate_json(one.value)
            except ValidationError:
                continue  # dead-lettered
            at = body.at.timestamp()
            if isinstance(body, ProfileUpdated):
                told = {name: getattr(body, name) for name in PLACE if name in body.model_fields_set}
                profile = self._profiles.setdefault((body.tenant, body.lead), Profile())
                for name, value in told.items():
                    setattr(profile, name, value)
            elif is_activity(body) and end - DAYS * DAY < at <= end:
                known = meaning(body, self._policy(body.tenant).kinds)
                if known.key or known.family == Family.BROWSE:
                    times[body.tenant, body.lead].append(at)
        self.activity: dict[str, dict[str, list[float]]] = defaultdict(dict)
        for (tenant, lead), moments in times.items():
            counts = [0.0] * 24
            for at in moments:
                counts[self.hour_of(tenant, lead, at)] += 1
            self.activity[tenant][lead] = counts

    def hour_of(self, tenant: str, lead: str, at: float) -> int:
        """What the lead's clock shows."""
        rules = self._policy(tenant).quiet_hours
        zone = zone_of(self._profiles.get((tenant, lead), Profile()), rules.regions, rules.timezone, at).name
        return datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)).hour

    def _policy(self, tenant: str) -> Policy:
        return self._policies.get(tenant) or self._policies[EVERYONE]
