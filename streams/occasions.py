"""Moments at which time itself begins a campaign: ahead of a day, a while after an event, in a season, when a lead is stuck."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streams.features import DAY, HOUR
from streams.lifecycle import Journey
from streams.policy import Policy
from streams.record import Dated, LeadRecord
from streams.triggers import Anniversary, AppointmentDue, LifecycleStage, RenewalDue, Season, Trigger

APPOINTMENT, RENEWAL = "the appointment", "the renewal"
"""Names of days in `LeadRecord.dates`; others are kinds of events, which have no spaces."""
TURN = 2.0**-16
"""Of the first day of a season that a lead waits for its turn: a million at once would hold up everything."""
FOREVER = float("inf")
KEPT = 7 * DAY


class Occasion(NamedTuple):
    """When a campaign may begin (epoch seconds), until when that makes sense, and the instant it is about."""

    campaign: str
    due: float
    ends: float
    about: float


def occasions(policy: Policy, record: LeadRecord, born: int, heard: float, now: float) -> Iterator[Occasion]:
    """Occasions of a lead that are not over and were not taken yet, one at most for each campaign.

    Args:
        policy: in force.
        record: of the lead.
        born: names its life; spreads seasons.
        heard: newest event of the lead, epoch seconds.
        now: stream time.
    """
    here = record.journey.stage if record.journey else ""
    for name, campaign in policy.campaigns.items():
        if isinstance(campaign.trigger, Season) and here not in campaign.where.journey:
            continue
        ran = record.campaigns.get(name)
        taken = ran.about if ran else None
        found = _of(campaign.trigger, policy, record, born, now, taken)
        if found is None:
            continue
        due, about = found
        ends = ends_at(campaign.trigger, about)
        if now >= ends or about == taken:
            continue
        if isinstance(campaign.trigger, Season) and due > heard + campaign.trigger.heard_within_days * DAY:
            continue
        yield Occasion(name, due, ends, about)


def ends_at(trigger: Trigger | None, about: float) -> float:
    """Until when what is said of that instant is of use, epoch seconds."""
    match trigger:
        case AppointmentDue() | RenewalDue():
            return about
        case Anniversary():
            return about + trigger.within_days * DAY
        case Season():
            return about + trigger.days * DAY
        case _:
            return FOREVER


def _of(
    trigger: Trigger, policy: Policy, record: LeadRecord, born: int, now: float, taken: float | None
) -> tuple[float, float] | None:
    match trigger:
        case AppointmentDue():
            return _before(record, APPOINTMENT, trigger.hours_before * HOUR)
        case RenewalDue():
            return _before(record, RENEWAL, trigger.days_before * DAY)
        case Anniversary():
            dated = record.dates.get(trigger.kind)
            about = dated.when + trigger.after_days * DAY if dated else 0.0
            return (about, about) if dated else None
        case Season():
            about = season(trigger, policy.quiet_hours.timezone, now)
            if about == taken:
                about = season(trigger, policy.quiet_hours.timezone, about + trigger.days * DAY)
            return about + (born & 0xFFFF) * TURN * min(trigger.days * DAY / 2, DAY), about
        case LifecycleStage() if trigger.when == "stalled":
            return _stuck(policy.journey, record, trigger.stage)
        case _:
            return None


def _before(record: LeadRecord, name: str, ahead: float) -> tuple[float, float] | None:
    """So long before a day; None where there is none, or where it was agreed later than that."""
    dated = record.dates.get(name)
    if dated is None or dated.said >= dated.when - ahead:
        return None
    return dated.when - ahead, dated.when


def _stuck(journey: Journey, record: LeadRecord, stage: str) -> tuple[float, float] | None:
    travelled = record.journey
    if travelled is None or travelled.stage != stage or stage not in journey.index:
        return None
    days = journey.stages[journey.index[stage]].stalls_after
    return None if days is None else (travelled.entered + days * DAY, travelled.entered)


def in_words(trigger: Trigger, about: str) -> str:
    """What time has brought, about that instant."""
    match trigger:
        case AppointmentDue():
            return f"an appointment on {about}"
        case RenewalDue():
            return f"the contract renews on {about}"
        case Anniversary():
            return f"{trigger.after_days:g} days since {trigger.kind}"
        case Season():
            return f"the season from {trigger.start}"
        case LifecycleStage():
            return f"stuck in {trigger.stage} since {about}"
        case _:
            return about


def is_over(policy: Policy, name: str, dated: Dated, now: float) -> bool:
    """Whether a day that was noted is of no use any more. A day is kept for a while: an older word about it may come late."""
    if name in {APPOINTMENT, RENEWAL}:
        return now >= max(dated.when, dated.said) + KEPT
    triggers = [c.trigger for c in policy.campaigns.values()]
    waited = [t for t in triggers if isinstance(t, Anniversary) and t.kind == name]
    return all(now >= dated.when + (t.after_days + t.within_days) * DAY for t in waited)


def season(trigger: Season, zone: str, now: float) -> float:
    """The season that is on at this time, else the next one: when it begins on the tenant's clock, epoch seconds."""
    today = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(zone)).date()
    month, day = (int(part) for part in trigger.start.split("-"))
    starts = (_midnight(date(today.year + shift, month, day), zone) for shift in (-1, 0, 1))
    return next(start for start in starts if now < start + trigger.days * DAY)


def _midnight(day: date, zone: str) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()
