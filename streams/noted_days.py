"""Days that campaigns wait for: the next appointment, the renewal, or when something of a kind happened last."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from schemas import events as e
from schemas.decisions import Rule
from streams.occasions import APPOINTMENT, RENEWAL
from streams.planning import end_campaigns
from streams.record import Dated
from streams.triggers import AppointmentDue, RenewalDue

if TYPE_CHECKING:
    from streams.rules import Case
    from streams.triggers import Trigger


def _seconds(when: datetime | None) -> float | None:
    return None if when is None else when.timestamp()


def note_days(case: Case, event: e.Activity, name: str, at: float) -> bool:
    """Keep the days that some campaign waits for; whether this changed one.

    The newest word counts, and ends what was said of another day.
    """
    noted = False
    match event:
        case e.AppointmentScheduled():
            noted = _note_day(case, APPOINTMENT, AppointmentDue, _seconds(event.starts_at), at)
        case e.AppointmentCancelled():
            noted = _note_day(case, APPOINTMENT, AppointmentDue, None, at)
        case e.SubscriptionStarted() | e.SubscriptionRenewed():
            noted = _note_day(case, RENEWAL, RenewalDue, _seconds(event.renews_at), at)
        case e.SubscriptionCancelled():
            noted = _note_day(case, RENEWAL, RenewalDue, None, at)
        case _:
            pass
    if name in case.policy.anniversaries:
        dated = case.record.dates.get(name)
        if dated is None or at > dated.when:
            case.record.dates[name], noted = Dated(at, at), True
    return noted


def _note_day(case: Case, name: str, trigger: type[Trigger], when: float | None, at: float) -> bool:
    waiting = {n for n, c in case.policy.campaigns.items() if isinstance(c.trigger, trigger)}
    dated = case.record.dates.get(name)
    if not waiting or (dated is not None and at < dated.said):
        return False
    if dated is not None and dated.when and dated.when != when:
        end_campaigns(case, waiting, Rule.OVERTAKEN, f"{name} was moved, kept or called off")
    case.record.dates[name] = Dated(when or 0.0, at)
    return True
