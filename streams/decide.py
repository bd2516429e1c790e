"""One arbiter: may this step go out to this lead now?

In this order, the first that objects decides: consent and suppression, address, holdout, quiet hours in the lead's own zone,
caps over all channels and per channel, cooldown. An objection that time can lift defers the step; if it would lift only after
the step expires, the step is held. Either way it is written down.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from schemas.commands import QuietWindow
from schemas.decisions import Rule, Verdict
from schemas.units import Channel
from streams.caps import over_cap
from streams.consent import Refusal, address_of, refuses
from streams.cooldown import cooling
from streams.policy import Policy
from streams.quiet_hours import is_quiet, quiet_until
from streams.record import Contact, Planned, Profile


class Subject(NamedTuple):
    """What the arbiter looks at of a lead."""

    lead: str
    profile: Profile
    consent: Mapping[str, bool]
    suppressed: Mapping[Channel, str]
    contacts: Sequence[Contact]
    held_out: bool


class Judgement(NamedTuple):
    """The verdict, the rule behind it, in words, and for a deferral until when (epoch seconds)."""

    verdict: Verdict
    rule: Rule
    detail: str
    until: float | None = None


def quiet_window(policy: Policy, profile: Profile) -> QuietWindow:
    """The lead's quiet hours, in its own zone where that is known."""
    start, end = policy.quiet_hours.minutes
    return QuietWindow(start_minute=start, end_minute=end, timezone=profile.timezone or policy.quiet_hours.timezone)


def judge(planned: Planned, subject: Subject, policy: Policy, now: float) -> Judgement:
    """Decide about one planned step whose time has come."""
    channel = planned.channel
    rule = policy.channels[channel]
    objection: Refusal | None = None
    if rule.contacts_lead:
        objection = refuses(channel, rule.consent, subject.consent, subject.suppressed)
    if objection is None and address_of(channel, subject.profile, subject.lead, policy.escalation.target) is None:
        objection = Refusal(Rule.NO_ADDRESS, f"no address for {channel} is known")
    if objection is None and subject.held_out:
        objection = Refusal(Rule.HOLDOUT, f"in the holdout of {policy.holdout.share:.0%} ({policy.holdout.salt})")
    if objection is None and rule.contacts_lead:
        objection = (
            _quiet(quiet_window(policy, subject.profile), now)
            or over_cap(subject.contacts, channel, rule.max_per_week, now, policy.caps)
            or cooling(subject.contacts, channel, now, policy.caps.cooldown_hours, rule.min_gap_hours)
        )
    if objection is None:
        if now > planned.expires:
            return Judgement(Verdict.HELD, Rule.EXPIRED, "its time had passed before it could go out")
        return Judgement(Verdict.SENT, Rule.OPERATOR if planned.by else Rule.PLAYBOOK, "nothing objected")
    if objection.until is None:
        return Judgement(Verdict.HELD, objection.rule, objection.detail)
    if objection.until > planned.expires:
        return Judgement(
            Verdict.HELD, objection.rule, f"{objection.detail}; that lifts only after the step has expired"
        )
    return Judgement(Verdict.DEFERRED, objection.rule, objection.detail, objection.until)


def _quiet(window: QuietWindow, now: float) -> Refusal | None:
    at = datetime.fromtimestamp(now, UTC)
    if not is_quiet(at, window):
        return None
    start, end = divmod(window.start_minute, 60), divmod(window.end_minute, 60)
    words = f"quiet hours {start[0]:02}:{start[1]:02}-{end[0]:02}:{end[1]:02} in {window.timezone}"
    return Refusal(Rule.QUIET_HOURS, words, quiet_until(at, window).timestamp())
