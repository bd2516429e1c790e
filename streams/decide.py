"""One arbiter: may this step go out to this lead now?

In this order, the first that objects decides: closing, consent and suppression, address, holdout, quiet hours and days in the
lead's own zone, caps over all channels and per channel, cooldown, the hour it is held to, the gap of the action, the tenant's
budget, approval, and whether very many leads would get the same.
An objection that time can lift defers the step; if it would lift only after the step expires, the step is held. Either way
it is written down.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.commands import QuietWindow
from schemas.decisions import Rank, Rule, Verdict
from schemas.units import Channel
from streams.approve import awaits, needs_approval, nobody_agreed
from streams.blast_radius import Crowd, in_words
from streams.budget import exhausted
from streams.calls import is_call, refuses_calls
from streams.caps import over_cap
from streams.closed_days import closed_days
from streams.consent import Refusal, address_of, refuses
from streams.cooldown import acted_lately, cooling
from streams.holdout import share_of
from streams.playbook import ordered
from streams.plays import Step
from streams.policy import Policy
from streams.quiet_hours import is_quiet, quiet_until
from streams.record import UNANSWERED, Contact, Planned, Profile
from streams.send_time import Hour, holds
from streams.thresholds import WEEKDAYS
from streams.zone import zone_of

CROWDED = frozenset({Rule.CAP_TOTAL, Rule.CAP_CHANNEL, Rule.COOLDOWN})
"""Rules by which one step can keep another from going out."""


class Subject(NamedTuple):
    """What the arbiter looks at of a lead."""

    lead: str
    profile: Profile
    consent: Mapping[str, bool]
    suppressed: Mapping[Channel, str]
    contacts: Sequence[Contact]
    held_out: bool
    programme: str = ""
    """The playbook that the lead is held out of; empty: none."""
    acted: Mapping[str, float] = {}
    spent: int = 0
    """By the tenant today, of its share: thousandths of a cent."""
    share_cents: float = 0.0
    hour: Hour | None = None
    """To which the step is held."""
    crowd: Crowd | None = None
    """Other leads for which the action has come up lately."""
    closed: str = ""
    """won, lost or churned; empty while the lead is live."""


class Judgement(NamedTuple):
    """The verdict, the rule behind it, in words, and for a deferral until when (epoch seconds)."""

    verdict: Verdict
    rule: Rule
    detail: str
    until: float | None = None
    winner: str | None = None
    """Intervention that went out in the same moment, without which this one could have."""
    rank: Rank | None = None


def quiet_window(policy: Policy, profile: Profile, now: float, until: float) -> QuietWindow:
    """The lead's quiet hours and days from now until then (epoch seconds), on the clock the lead lives by."""
    rules = policy.quiet_hours
    start, end = rules.minutes
    zone = zone_of(profile, rules.regions, rules.timezone, now).name
    first, last = (datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)).date() for at in (now, max(now, until)))
    return QuietWindow(
        start_minute=start,
        end_minute=end,
        timezone=zone,
        days_off=tuple(i for i, day in enumerate(WEEKDAYS) if day in rules.days_off),
        closed=closed_days(rules.holidays, profile.region, first, last + timedelta(days=1)),
    )


def judge(planned: Planned, step: Step, subject: Subject, policy: Policy, rank: Rank, now: float) -> Judgement:
    """Decide about one planned step whose time has come."""
    objection = (
        _forbidden(planned, step, subject, policy)
        or nobody_agreed(planned, policy.approvals, now)
        or _not_now(planned, step, subject, policy, rank, now)
    )
    if objection is None:
        if now > planned.expires:
            return Judgement(Verdict.HELD, Rule.EXPIRED, "its time had passed before it could go out", rank=rank)
        told = f"nothing objected; {planned.approved} agreed" if planned.approved else "nothing objected"
        begun_by = Rule.CAMPAIGN if planned.campaign else Rule.PLAYBOOK
        return Judgement(Verdict.SENT, Rule.OPERATOR if ordered(planned) else begun_by, told, rank=rank)
    if objection.until is None or objection.until <= now:
        return Judgement(Verdict.HELD, objection.rule, objection.detail, rank=rank)
    if objection.until > planned.expires and not _waits_for_day(planned, step, objection.rule, policy):
        late = f"{objection.detail}; that lifts only after the step has expired"
        return Judgement(Verdict.HELD, objection.rule, late, rank=rank)
    return Judgement(Verdict.DEFERRED, objection.rule, objection.detail, objection.until, rank=rank)


def stands_still(planned: Planned, step: Step, judged: Judgement, policy: Policy, now: float) -> float:
    """By how many seconds its time is prolonged: a call that comes up at night is as good in the morning."""
    if judged.until is None or not _waits_for_day(planned, step, judged.rule, policy):
        return 0.0
    return judged.until - now


def _waits_for_day(planned: Planned, step: Step, rule: Rule, policy: Policy) -> bool:
    return rule is Rule.QUIET_HOURS and is_call(policy, step.action, planned.channel)


def _forbidden(planned: Planned, step: Step, subject: Subject, policy: Policy) -> Refusal | None:
    """What no waiting helps against."""
    channel, rule = planned.channel, policy.channels[planned.channel]
    if subject.closed and planned.step != UNANSWERED:  # that is for staff, of what staff has asked for
        return Refusal(Rule.CLOSED, f"the lead was closed as {subject.closed}")
    if rule.contacts_lead and (no := refuses(channel, rule.consent, subject.consent, subject.suppressed)):
        return no
    if is_call(policy, step.action, channel) and (no := refuses_calls(policy, subject.consent, subject.suppressed)):
        return no._replace(detail=f"it asks for a call, and {no.detail}")
    if address_of(channel, subject.profile, subject.lead, policy.escalation.target) is None:
        return Refusal(Rule.NO_ADDRESS, f"no address for {channel} is known")
    if subject.held_out:
        return Refusal(Rule.HOLDOUT, f"in the holdout of {policy.holdout.share:.0%} ({policy.holdout.salt})")
    if subject.programme:
        share = share_of(policy, subject.programme)
        return Refusal(Rule.HOLDOUT, f"in the holdout of {share:.0%} of the programme {subject.programme}")
    return None


def _not_now(planned: Planned, step: Step, subject: Subject, policy: Policy, rank: Rank, now: float) -> Refusal | None:
    """What time, or a person, can lift."""
    channel, rule = planned.channel, policy.channels[planned.channel]
    objection: Refusal | None = None
    if rule.contacts_lead:
        objection = (
            _quiet(policy, planned, subject.profile, now)
            or over_cap(subject.contacts, channel, rule.max_per_week, now, policy.caps)
            or cooling(subject.contacts, channel, now, policy.caps.cooldown_hours, rule.min_gap_hours)
        )
    elif is_call(policy, step.action, channel):
        objection = _quiet(policy, planned, subject.profile, now)
    if objection is None and subject.hour is not None:
        rules = policy.quiet_hours
        local = zone_of(subject.profile, rules.regions, rules.timezone, now)
        objection = holds(subject.hour, planned, local.name, now)
    objection = objection or acted_lately(subject.acted, step.action, now, policy.caps.action_gap_hours)
    if objection is None and policy.budget.per_day_cents is not None:
        zone = policy.quiet_hours.timezone
        objection = exhausted(subject.spent, rank.cost_cents, subject.share_cents, now, zone)
    if objection is None and (why := needs_approval(policy.approvals, step, rank.cost_cents, rank.value_cents)):
        objection = awaits(planned, why, policy.approvals, now)
    widest = policy.approvals.blast_radius
    if objection is None and subject.crowd and widest and (why := in_words(subject.crowd, widest, step.action)):
        objection = awaits(planned, why, policy.approvals, now, Rule.BLAST_RADIUS)
    return objection


def _quiet(policy: Policy, planned: Planned, profile: Profile, now: float) -> Refusal | None:
    at, window = datetime.fromtimestamp(now, UTC), quiet_window(policy, profile, now, planned.expires)
    if not is_quiet(at, window):
        return None
    rules = policy.quiet_hours
    zone = zone_of(profile, rules.regions, rules.timezone, now)
    local = at.astimezone(ZoneInfo(zone.name))
    if local.date() in window.closed:
        words = f"{local:%Y-%m-%d} is a holiday"
    elif local.weekday() in window.days_off:
        words = f"{local:%A} is a day off"
    else:
        words = f"quiet hours {rules.start}-{rules.end}"
    detail = f"{words} in {zone.name} ({zone.source})"
    return Refusal(Rule.QUIET_HOURS, detail, quiet_until(at, window).timestamp())
