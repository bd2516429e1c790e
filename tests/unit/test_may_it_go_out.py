"""Caps, cooldown, consent, addresses, holdout, and the arbiter that asks them in order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.decisions import Rank, Rule, Verdict
from schemas.units import Channel
from streams.caps import WEEK, over_cap, trim
from streams.consent import address_of, refuses
from streams.cooldown import cooling
from streams.decide import Judgement, Subject, judge
from streams.features import HOUR
from streams.holdout import held_out
from streams.policy import Policy
from streams.record import Contact, Planned, Profile
from tests.worlds import policy

NOON = datetime(2026, 1, 7, 17, tzinfo=UTC).timestamp()
"""A Wednesday, noon in New York."""
POLICY = policy()
E, S, A = Channel.EMAIL, Channel.SMS, Channel.IN_APP


@pytest.mark.parametrize(
    ("hours_ago", "channel", "rule", "until_h"),
    [
        ([], E, None, None),
        ([23.9], E, Rule.CAP_TOTAL, 0.1),
        ([24], E, None, None),  # (now - window, now]: exactly a day ago no longer counts
        ([30, 60], E, Rule.CAP_TOTAL, 108),  # 2 a week over all channels
        ([167, 168], E, None, None),
    ],
)
def test_caps(hours_ago: list[float], channel: Channel, rule: Rule | None, until_h: float | None) -> None:
    """The first full window decides, and says when it has room again."""
    refusal = over_cap([Contact(NOON - h * HOUR, S) for h in hours_ago], channel, 2, NOON, POLICY.caps)
    assert (refusal and refusal.rule) == rule
    if refusal and until_h is not None:
        assert refusal.until == pytest.approx(NOON + until_h * HOUR)


def test_the_cap_of_one_channel_and_a_cap_of_zero() -> None:
    """A channel's own cap counts only its contacts; zero means never, and no waiting helps."""
    wide = POLICY.caps.model_copy(update={"max_per_day": 9, "max_per_week": 9})
    contacts = [Contact(NOON - 60 * HOUR, E), Contact(NOON - 30 * HOUR, E)]
    refusal = over_cap(contacts, E, 2, NOON, wide)
    assert refusal
    assert (refusal.rule, refusal.until) == (Rule.CAP_CHANNEL, NOON + (168 - 60) * HOUR)
    assert over_cap(contacts, S, 2, NOON, wide) is None
    never = over_cap([], S, 0, NOON, wide)
    assert never
    assert never.until is None
    assert trim([Contact(NOON - WEEK, E), Contact(NOON - WEEK + 1, E)], NOON) == [Contact(NOON - WEEK + 1, E)]


@pytest.mark.parametrize(
    ("contacts", "until_h"),
    [
        ([], None),
        ([(19, S)], 1),
        ([(20, S)], None),
        ([(30, E)], 18),
        ([(48, E)], None),
        ([(19, S), (47, E)], 1),
        ([(10, S), (40, E)], 10),
    ],
)
def test_cooldown(contacts: list[tuple[float, Channel]], until_h: float | None) -> None:
    """20 hours after any contact, 48 after one by the same channel: the longer rest counts."""
    refusal = cooling([Contact(NOON - h * HOUR, c) for h, c in contacts], E, NOON, 20, 48)
    assert (refusal.until if refusal else None) == (None if until_h is None else NOON + until_h * HOUR)


@pytest.mark.parametrize(
    ("channel", "default", "consent", "suppressed", "rule"),
    [
        (E, "opt_out", {}, {}, None),
        (S, "opt_in", {}, {}, Rule.NO_CONSENT),
        (S, "opt_in", {"sms": True}, {}, None),
        (E, "opt_out", {"email": False}, {}, Rule.NO_CONSENT),
        (E, "opt_out", {"email": True, "all": False}, {}, Rule.NO_CONSENT),
        (E, "opt_out", {"all": True}, {}, None),
        (S, "opt_in", {"all": True}, {}, Rule.NO_CONSENT),  # a permission for all is no opt-in to text messages
        (E, "opt_out", {"email": True}, {E: "bounced"}, Rule.SUPPRESSED),
        (E, "opt_out", {}, {S: "bounced"}, None),
    ],
)
def test_consent(
    channel: Channel, default: Any, consent: dict[str, bool], suppressed: dict[Channel, str], rule: Rule | None
) -> None:
    """Suppression, then the lead's word (no to everything beats any yes), then the channel's default."""
    refusal = refuses(channel, default, consent, suppressed)
    assert (refusal and refusal.rule) == rule


def test_addresses() -> None:
    """By channel; staff channels reach the owner, else whom the policy names."""
    known = Profile(email="a@example.com", phone="+14155550132", owner="kim")
    assert [address_of(c, known, "L1", "duty") for c in (E, S, Channel.PHONE, A, Channel.CRM_TASK)] == [
        "a@example.com", "+14155550132", "+14155550132", "L1", "kim",
    ]  # fmt: skip
    assert address_of(E, Profile(), "L1", "duty") is None
    assert address_of(Channel.AGENT_ALERT, Profile(), "L1", "duty") == "duty"


def test_the_holdout_has_its_share_and_another_salt_draws_anew() -> None:
    """5 % of 100,000 leads within four standard deviations (4 x 69); none at share 0."""
    rule, other = POLICY.holdout, POLICY.holdout.model_copy(update={"salt": "next"})
    first = {i for i in range(100_000) if held_out(rule, "acme", f"L{i}")}
    second = {i for i in first if held_out(other, "acme", f"L{i}")}
    assert abs(len(first) - 5_000) <= 276
    assert len(second) < 0.1 * len(first)
    assert not held_out(rule.model_copy(update={"share": 0.0}), "acme", "L1")
    assert {i for i in range(1000) if held_out(rule, "zeta", f"L{i}")} != {i for i in first if i < 1000}


def _planned(channel: Channel = E, *, expires_h: float = 72, by: str = "") -> Planned:
    return Planned(2, "personal_email", channel, NOON, NOON + expires_h * HOUR, by=by)


STEP = POLICY.playbooks.active_risk.steps[1]
RANK_OF_NOTHING = Rank(value_cents=0, effect=0.1, cost_cents=0.0, hours_left=1.0, score=0.0)


def _told(planned: Planned, subject: Subject, rules: Policy, now: float) -> Judgement:
    return judge(planned, STEP, subject, rules, RANK_OF_NOTHING, now)


def _subject(**changes: Any) -> Subject:
    known = Profile(email="a@example.com", timezone="America/New_York")
    return Subject(
        **{
            "lead": "L1",
            "profile": known,
            "consent": {},
            "suppressed": {},
            "contacts": [],
            "held_out": False,
            **changes,
        }
    )


NIGHT = NOON + 9 * HOUR
EVERYTHING: dict[str, Any] = {
    "closed": "lost", "suppressed": {E: "bounced"}, "consent": {"all": False}, "profile": Profile(), "held_out": True,
    "contacts": [Contact(NOON - HOUR, E)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("lifted", "now", "verdict", "rule"),
    [
        (0, NIGHT, Verdict.HELD, Rule.CLOSED),
        (1, NIGHT, Verdict.HELD, Rule.SUPPRESSED),
        (2, NIGHT, Verdict.HELD, Rule.NO_CONSENT),
        (3, NIGHT, Verdict.HELD, Rule.NO_ADDRESS),
        (4, NIGHT, Verdict.HELD, Rule.HOLDOUT),
        (5, NIGHT, Verdict.DEFERRED, Rule.QUIET_HOURS),
        (5, NOON, Verdict.DEFERRED, Rule.CAP_TOTAL),
        (6, NOON, Verdict.SENT, Rule.PLAYBOOK),
    ],
)
def test_the_arbiter_asks_in_this_order(lifted: int, now: float, verdict: Verdict, rule: Rule) -> None:
    """With every objection at once, the first decides; lift it, and the next one does."""
    subject = _subject(**dict(list(EVERYTHING.items())[lifted:]))
    told = _told(_planned(), subject, POLICY, now)
    assert (told.verdict, told.rule) == (verdict, rule)


def test_the_arbiter_after_caps() -> None:
    """Cooldown comes after caps; an objection that outlives the step holds it; so does a step whose time has passed."""
    two_a_day = policy({"caps": {"max_per_day": 2}})
    told = _told(_planned(), _subject(contacts=[Contact(NOON - HOUR, S)]), two_a_day, NOON)
    assert (told.verdict, told.rule, told.until) == (Verdict.DEFERRED, Rule.COOLDOWN, NOON + 19 * HOUR)
    told = _told(_planned(expires_h=2), _subject(contacts=[Contact(NOON - HOUR, S)]), two_a_day, NOON)
    assert (told.verdict, told.rule, told.until) == (Verdict.HELD, Rule.COOLDOWN, None)
    told = _told(_planned(expires_h=-1), _subject(), POLICY, NOON)
    assert (told.verdict, told.rule) == (Verdict.HELD, Rule.EXPIRED)
    assert _told(_planned(by="op-1"), _subject(), POLICY, NOON).rule is Rule.OPERATOR
    task = _told(
        _planned(Channel.CRM_TASK), _subject(consent={"all": False}, contacts=[Contact(NOON, S)]), POLICY, NIGHT
    )
    assert task.verdict is Verdict.SENT, "staff may be told at night"
