"""Campaigns begin, for whom they are meant and not too often. Whether one does or not is written down. What causes one: `on_the_way`.

What begins is a run of the campaign's steps. They are planned, judged and sent as those of a playbook are (`planning`,
`waiting`, `outreach`), in the same arbiter; they belong to no churn episode, and no saved lead is credited to them twice.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from schemas.decisions import Rule, Verdict
from streams import outbox
from streams.features import DAY
from streams.health import health
from streams.journey import stage_of
from streams.occasions import APPOINTMENT, FOREVER, RENEWAL
from streams.occasions import ends_at as occasion_ends
from streams.planning import add_steps, first_channel
from streams.playbook import plan_campaign
from streams.rank import worth
from streams.record import Planned, Ran
from streams.stage import ORDER
from streams.triggers import AppointmentDue, Campaign, ChurnRisk, RenewalDue, waits_for_time
from streams.zone import zone_of

if TYPE_CHECKING:
    from streams.rules import Case


def begin_by_risk(case: Case, stage: int) -> None:
    """The lead rose to a churn stage."""
    for name, campaign in case.policy.campaigns.items():
        if isinstance(campaign.trigger, ChurnRisk) and campaign.trigger.stage is ORDER[stage]:
            begin(case, name, case.now, f"rose to {ORDER[stage]}")


def ends_at(case: Case, planned: Planned) -> float:
    """Until when a campaign's step is of use, epoch seconds."""
    campaign, ran = case.policy.campaigns.get(planned.campaign), case.record.campaigns.get(planned.campaign)
    return FOREVER if campaign is None or ran is None else occasion_ends(campaign.trigger, ran.about)


def occasion_of(case: Case, planned: Planned) -> str | None:
    """The day a campaign is about, on the lead's own clock; None where it is about none."""
    ran = case.record.campaigns.get(planned.campaign)
    if ran is None:
        return None
    rules = case.policy.quiet_hours
    zone = zone_of(case.record.profile, rules.regions, rules.timezone, case.now).name
    return f"{outbox.instant(ran.about).astimezone(ZoneInfo(zone)):%A %-d %B, %H:%M}"


def begin_by_order(case: Case, name: str, by: str) -> None:
    """An operator begins a campaign, for whomever it is meant. The arbiter still judges each step."""
    if not case.desk.acting:
        case.desk.tally["order", "only_watching"] += 1
        return
    case.be_assessed()
    campaign, objection, about = case.policy.campaigns.get(name), "", case.now
    if case.record.closed:
        detail = f"ordered by {by}; the lead was closed as {case.record.closed}"
        outbox.decided_of_lead(case, name, Verdict.HELD, Rule.CLOSED, detail, campaign=name)
        return
    if campaign is None:
        objection = f"the policy has {', '.join(case.policy.campaigns) or 'no campaigns'}"
    elif _is_running(case, name):
        objection = "it is running already"
    elif isinstance(campaign.trigger, AppointmentDue | RenewalDue):
        day = APPOINTMENT if isinstance(campaign.trigger, AppointmentDue) else RENEWAL
        dated = case.record.dates.get(day)
        about = dated.when if dated else 0.0
        objection = "" if about > case.now else f"it is about {day}, and none is known"
    if objection:
        detail = f"ordered by {by}; {objection}"
        outbox.decided_of_lead(case, name, Verdict.HELD, Rule.OPERATOR, detail, campaign=name)
        return
    _run(case, name, about, case.now, Rule.OPERATOR, f"ordered by {by}")


def begin(case: Case, name: str, about: float, why: str) -> None:
    """Begin a run, unless one is under way or was begun lately; either way it is written down.

    For whom the campaign is not meant nothing is said. An occasion that time brings is taken once, whatever comes of it;
    also while we only watch.
    """
    record, campaign = case.record, case.policy.campaigns[name]
    ran = record.campaigns.get(name) or Ran(0.0, 0.0)
    timed = waits_for_time(campaign.trigger)
    if timed:
        record.campaigns[name] = Ran(ran.at, about)
    if not case.desk.acting:
        return
    if not _is_meant(case, campaign):
        case.desk.tally["campaign", "not_meant"] += 1
        return
    case.be_assessed()
    if objection := _lately(case, name, campaign, ran):
        outbox.decided_of_lead(case, name, Verdict.HELD, Rule.CAMPAIGN_GAP, f"{why}; {objection}", campaign=name)
        return
    # What is told late may be too late to speak of.
    _run(case, name, about, case.now if timed else about, Rule.CAMPAIGN, why)


def _run(case: Case, name: str, about: float, begun: float, rule: Rule, why: str) -> None:
    record = case.record
    record.runs += 1
    record.campaigns = {n: r for n, r in record.campaigns.items() if n in case.policy.campaigns}
    record.campaigns[name] = Ran(case.now, about)
    outbox.decided_of_lead(case, name, Verdict.BEGUN, rule, why, campaign=name)
    add_steps(case, plan_campaign(case.policy, name, record.runs, case.stage, begun, partial(first_channel, case)))


def _is_running(case: Case, name: str) -> bool:
    return any(p.campaign == name for p in case.record.planned)


def _lately(case: Case, name: str, campaign: Campaign, ran: Ran) -> str:
    """Why another run would come too soon; empty where it would not."""
    if _is_running(case, name):
        return "it is running already"
    if ran.at and case.now < ran.at + campaign.again_after_days * DAY:
        return f"begun {moment(ran.at)}, and again only after {campaign.again_after_days:g} days"
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


def moment(seconds: float) -> str:
    """An instant in words."""
    return f"{outbox.instant(seconds):%Y-%m-%d %H:%M}"
