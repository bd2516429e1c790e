"""At which hour a step goes out, where it can wait: the usual one, the one that leads answer in, or the lead's own.

A policy with `[send_time]` holds its low and medium steps to an hour on the lead's clock, if that comes before the step
expires; what is urgent, or ordered by a person, goes at once. Which hour:

    fixed      the policy's; for a fixed share of leads always, to see what learning is worth
    explore    any open hour, by a hash, for a share of leads: without them nothing could be learned about other hours
    learned    for all others: the lead's own hour where it is known well enough (`hours`), else that in which leads in the
               same stage answer most, else that of all leads of the tenant, else the policy's, and then it is said that there
               is not enough data

Hours are learned beside the fold and published; nothing here depends on a clock but the time of the decision.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from schemas.decisions import Rule
from schemas.units import Priority
from streams.consent import Refusal
from streams.ids import bucket
from streams.playbook import ordered
from streams.quiet_hours import open_hours
from streams.record import Draw
from streams.stage import ORDER
from streams.variants import sticky

if TYPE_CHECKING:
    from streams.plays import Step
    from streams.record import Planned
    from streams.rules import Case

NAME = "send_time"
FIXED, EXPLORE, LEARNED = "fixed", "explore", "learned"
WIDE_HOURS = 2
"""From the full hour on; a clock that ticks seldom must not miss it."""
CAN_WAIT = frozenset({Priority.LOW, Priority.MEDIUM})


class Hour(NamedTuple):
    """An hour of the lead's day, why that one, and the draw behind it."""

    hour: int
    why: str
    draw: Draw | None


def hour_of(case: Case, step: Step, planned: Planned) -> Hour | None:
    """The hour to which this step is held; None: it goes out when it is due."""
    rules, rule = case.policy.send_time, case.policy.channels.get(planned.channel)
    if rules is None or rule is None or not rule.contacts_lead or step.priority not in CAN_WAIT or ordered(planned):
        return None
    learned = 1 - rules.control - rules.explore
    draw = sticky(case, NAME, {FIXED: rules.control, EXPLORE: rules.explore, LEARNED: learned})
    if draw.variant == EXPLORE:
        hours = open_hours(*case.policy.quiet_hours.minutes)
        episode = case.record.episode.number if case.record.episode else 0
        part_of = f"{planned.campaign}:{planned.run}" if planned.campaign else episode
        place = bucket(f"hour:{part_of}:{planned.step}", case.tenant, case.lead, len(hours))
        return Hour(hours[place], "tried out", draw)
    weights, stage = case.desk.weights, ORDER[planned.stage]
    own, of_stage, usual = weights.hour_of(case.tenant, case.lead), weights.stage_hours.get(stage), weights.hour
    where = f"in {stage}" if planned.stage else "in no stage of risk"
    if own is None and of_stage is None and usual is None:
        return Hour(rules.hour, "the usual hour: not enough data for another", None)
    if draw.variant == FIXED:
        return Hour(rules.hour, "the usual hour, to compare with", draw)
    if own is not None:
        return Hour(own, "the lead's own hour", draw)
    if of_stage is not None:
        return Hour(of_stage, f"the hour in which leads {where} answer most", draw)
    assert usual is not None
    return Hour(usual, f"the hour in which leads answer most; not enough data of those {where}", draw)


def holds(hour: Hour | None, planned: Planned, zone: str, now: float) -> Refusal | None:
    """A refusal until that hour on this clock; None when it is that hour, or when it does not come before the step expires."""
    if hour is None:
        return None
    local = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(zone))
    if (local.hour - hour.hour) % 24 < WIDE_HOURS:
        return None
    day = local.date() + timedelta(days=local.hour > hour.hour)
    until = datetime(day.year, day.month, day.day, hour.hour, tzinfo=ZoneInfo(zone)).timestamp()
    if not now < until <= planned.expires:
        return None
    return Refusal(Rule.SEND_TIME, f"held to {hour.hour}:00 in {zone}: {hour.why}", until)
