"""Campaigns begin: by an event, by time, by a churn stage, by the journey. Whether one does or not is written down.

What begins is a run of the campaign's steps. They are planned, judged and sent as those of a playbook are (`planning`,
`waiting`, `outreach`), in the same arbiter; they belong to no churn episode, and no saved lead is credited to them twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from schemas import events as e
from schemas.decisions import Rule, Verdict
from streams import outbox
from streams.features import DAY, HOUR
from streams.health import health
from streams.journey import Move, stage_of, stalls_at, tell_stall, travel
from streams.occasions import APPOINTMENT, FOREVER, RENEWAL, Occasion, is_over, occasions
from streams.occasions import ends_at as occasion_ends
from streams.planning import add_steps, end_campaigns, first_channel, stop_campaigns
from streams.playbook import plan_campaign
from streams.rank import worth
from streams.record import Dated, Planned, Ran
from streams.stage import ORDER
from streams.triggers import (
    Anniversary,
    AppointmentDue,
    Campaign,
    ChurnRisk,
    LifecycleStage,
    OnEvent,
    RenewalDue,
    SatisfactionDrop,
    Satisfied,
    kind_of,
    waits_for_time,
    wants,
)
from streams.vector import COLUMN

if TYPE_CHECKING:
    from streams.rules import Case
    from streams.triggers import Trigger
    from streams.vocabulary import Meaning


def hear_on_the_way(case: Case, event: e.Activity, known: Meaning, at: float) -> None:
    """What an activity of this time (epoch seconds) means for journey and campaigns, after the risk was assessed."""
    policy, record = case.policy, case.record
    if not wants(policy.asks, event, known):
        return
    name = kind_of(event)
    stop_campaigns(case, name, Rule.OVERTAKEN, f"{name} was heard", at)
    _note_days(case, event, name, at)
    move = travel(case, event, name, at)
    if not record.closed:
        for campaign, why in _caused(case, name, known, move):
            _begin(case, campaign, at, why)
    _wake(case)


def hear_closing(case: Case, outcome: str, at: float) -> None:
    """The lead was closed as won, lost or churned; of the journey that may be a step."""
    travel(case, None, f"closed_{outcome}", at)
    case.record.wake = 0.0


def begin_by_risk(case: Case, stage: int) -> None:
    """The lead rose to a churn stage."""
    for name, campaign in case.policy.campaigns.items():
        if isinstance(campaign.trigger, ChurnRisk) and campaign.trigger.stage is ORDER[stage]:
            _begin(case, name, case.now, f"rose to {ORDER[stage]}")


def begin_by_time(case: Case) -> None:
    """A tick looks at the lead: begin what is due, say where it is stuck, forget days that are over."""
    record, policy = case.record, case.policy
    if not policy.campaigns and not policy.journey.stages:
        record.wake = 0.0
        return
    if not record.closed:
        stalls = stalls_at(policy.journey, record.journey)
        if stalls is not None and case.now >= stalls:
            tell_stall(case)
        for occasion in list(_occasions(case)):
            if case.desk.acting and occasion.due <= case.now:
                kind = policy.campaigns[occasion.campaign].trigger.type
                _begin(case, occasion.campaign, occasion.about, f"{kind}: {_day(occasion.about)}")
    record.dates = {name: day for name, day in record.dates.items() if not is_over(policy, name, day, case.now)}
    _wake(case)


def ends_at(case: Case, planned: Planned) -> float:
    """Until when a campaign's step is of use, epoch seconds."""
    campaign, ran = case.policy.campaigns.get(planned.campaign), case.record.campaigns.get(planned.campaign)
    return FOREVER if campaign is None or ran is None else occasion_ends(campaign.trigger, ran.about)


def _caused(case: Case, name: str, known: Meaning, move: Move | None) -> Iterator[tuple[str, str]]:
    """Campaigns that this event begins, and why."""
    mood = float(case.x[COLUMN["mood"]])
    says_mood = known.mood == known.mood
    stage = case.policy.journey.stages[move.after].name if move else ""
    for campaign, described in case.policy.campaigns.items():
        match described.trigger:
            case OnEvent(kinds=kinds) if name in kinds:
                yield campaign, name
            case SatisfactionDrop(below=bar) if says_mood and mood < bar:
                yield campaign, f"satisfaction {mood:.0%}, below {bar:.0%}"
            case Satisfied(at_least=bar) if says_mood and mood >= bar:
                yield campaign, f"satisfaction {mood:.0%}, at least {bar:.0%}"
            case LifecycleStage(stage=wanted, when=when) if move and wanted == stage:
                if when == ("entered" if move.change == "moved_on" else "moved_back"):
                    yield campaign, f"{'entered' if when == 'entered' else 'came back to'} {stage}"
            case _:
                pass


def _begin(case: Case, name: str, about: float, why: str) -> None:
    """Begin a run, unless one is under way or was begun lately; either way it is written down.

    For whom the campaign is not meant nothing is said. An occasion that time brings is taken once, whatever comes of it.
    """
    record, campaign = case.record, case.policy.campaigns[name]
    if not case.desk.acting:
        return
    ran = record.campaigns.get(name) or Ran(0.0, 0.0)
    if waits_for_time(campaign.trigger):
        record.campaigns[name] = Ran(ran.at, about)
    if not _is_meant(case, campaign):
        case.desk.tally["campaign", "not_meant"] += 1
        return
    case.be_assessed()
    if objection := _lately(case, name, campaign, ran):
        outbox.decided_of_lead(case, name, Verdict.HELD, Rule.CAMPAIGN_GAP, f"{why}; {objection}", campaign=name)
        return
    record.runs += 1
    record.campaigns = {n: r for n, r in record.campaigns.items() if n in case.policy.campaigns}
    record.campaigns[name] = Ran(case.now, about)
    outbox.decided_of_lead(case, name, Verdict.BEGUN, Rule.CAMPAIGN, why, campaign=name)
    begun = case.now if waits_for_time(campaign.trigger) else about  # what is told late may be too late to speak of
    add_steps(case, plan_campaign(case.policy, name, record.runs, case.stage, begun, partial(first_channel, case)))


def _lately(case: Case, name: str, campaign: Campaign, ran: Ran) -> str:
    """Why another run would come too soon; empty where it would not."""
    if any(p.campaign == name for p in case.record.planned):
        return "it is running already"
    if ran.at and case.now < ran.at + campaign.again_after_days * DAY:
        return f"begun {_day(ran.at)}, and again only after {campaign.again_after_days:g} days"
    return ""


def _is_meant(case: Case, campaign: Campaign) -> bool:
    """Whether the lead is one of those whom the campaign is for, now."""
    where, stages = campaign.where, case.policy.journey.stages
    if where.journey and stages[stage_of(case.policy.journey, case.record.journey)].name not in where.journey:
        return False
    if where.risk and ORDER[case.stage] not in where.risk:
        return False
    if worth(case.record.profile, case.policy, float(case.signs["cents"])) < where.least_value_cents:
        return False
    return where.health is None or where.health[0] <= float(health(case.x[None, :])[0, 0]) <= where.health[1]


def _day(seconds: float) -> str:
    return f"{outbox.instant(seconds):%Y-%m-%d %H:%M}"


def _seconds(when: datetime | None) -> float | None:
    return None if when is None else when.timestamp()


def _note_days(case: Case, event: e.Activity, name: str, at: float) -> None:
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


def _occasions(case: Case) -> Iterator[Occasion]:
    return occasions(case.policy, case.record, case.born, float(case.signs["last"]), case.now)


def _wake(case: Case) -> None:
    """Work out when time alone may change something next. Not while the lead is closed: nothing is said then."""
    record, policy = case.record, case.policy
    if record.closed:
        record.wake = 0.0
        return
    times = [o.due for o in _occasions(case)]
    stalls = stalls_at(policy.journey, record.journey)
    if stalls is not None:
        times.append(stalls)
    soonest = min(times, default=0.0)
    record.wake = soonest if soonest > case.now or not times else case.now + HOUR  # due, but we only watch
