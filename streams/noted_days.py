"""Days that campaigns wait for: the next appointment, the renewal, or when something of a kind happened last."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from schemas import events as e
from schemas.decisions import Rule
from streams.occasions import APPOINTMENT, RENEWAL
from streams.planning import end_campaigns
from streams.record import Dated
from streams.triggers import Anniversary, AppointmentDue, RenewalDue

if TYPE_CHECKING:
    from streams.rules import Case
    from streams.triggers import Trigger


def _seconds(when: datetime | None) -> float | None:
    return None if when is None else when.timestamp()


def note_days(case: Case, event: e.Activity, name: str, at: float) -> None:
    """Keep the days that some campaign waits for; the newest word counts, and ends what was said of another day."""
    match event:
        case e.AppointmentScheduled():
            _note_day(case, APPOINTMENT, AppointmentDue, _seconds(event.starts_at), at)
        case e.AppointmentCancelled():
            _note_day(case, APPOINTMENT, AppointmentDue, None, at)
        case e.SubscriptionStarted() | e.SubscriptionRenewed():
            _note_day(case, RENEWAL, RenewalDue, _seconds(event.renews_at), at)
        case e.SubscriptionCancelled():
            _note_day(case, RENEWAL, RenewalDue, None, at)
        case _:
            pass
    triggers = (campaign.trigger for campaign in case.policy.campaigns.values())
    if any(isinstance(t, Anniversary) and t.kind == name for t in triggers):
        dated = case.record.dates.get(name)
        if dated is None or at > dated.when:
            case.record.dates[name] = Dated(at, at)


def _note_day(case: Case, name: str, trigger: type[Trigger], when: float | None, at: float) -> None:
    waiting = {n for n, c in case.policy.campaigns.items() if isinstance(c.trigger, trigger)}
    dated = case.record.dates.get(name)
    if not waiting or (dated is not None and at < dated.said):
        return
    if dated is not None and dated.when and dated.when != when:
        end_campaigns(case, waiting, Rule.OVERTAKEN, f"{name} was moved, kept or called off")
    case.record.dates[name] = Dated(when or 0.0, at)
