"""Each rule of the business by itself, as a table. Stories of how they work together: tests/stories."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import pytest

from schemas.decisions import Rank, Rule, Verdict
from schemas.outcomes import Outcome
from schemas.units import Channel, DeliveryStatus, Stage
from streams.caps import WEEK, over_cap, trim
from streams.consent import address_of, refuses
from streams.cooldown import cooling
from streams.decide import Judgement, Subject, judge
from streams.episode import ending, ends_at
from streams.explain import in_words, reasons_of
from streams.features import DAY
from streams.health import BANDS, PARTS, confidence, health
from streams.holdout import held_out
from streams.ids import bucket, derive, fingerprint
from streams.playbook import fallback_of, plan, step_of, template_of
from streams.policy import Policy
from streams.record import Contact, Episode, Intervention, Planned, Profile
from streams.risk import FAMILIES, level_of
from streams.silence import FIRST_LOOK, LONGEST_STEP, PRECISION, next_looks
from streams.stage import Move, felt, next_stage, skipped
from streams.track import RANK, apply_receipt, forget_old, outcome_without_life, success_score
from streams.vector import COLUMN, NAMES
from tests.worlds import policy

HOUR = 3600.0
NOON = datetime(2026, 1, 7, 17, tzinfo=UTC).timestamp()
"""A Wednesday, noon in New York."""
POLICY = policy()
E, S, A = Channel.EMAIL, Channel.SMS, Channel.IN_APP


@pytest.mark.parametrize(
    ("current", "hours_in", "probability", "expected", "look_again_h"),
    [
        (0, 0, 0.29, 0, None),
        (0, 0, 0.30, 1, None),
        (0, 0, 0.60, 2, None),
        (0, 0, 0.95, 3, None),
        (2, 0, 0.80, 3, None),  # up needs no dwell
        (2, 100, 0.50, 2, None),  # stays until below 0.50
        (2, 100, 0.49, 1, None),
        (2, 23, 0.49, 2, 24),  # held up by dwell
        (2, 24, 0.49, 1, None),
        (3, 100, 0.05, 0, None),
        (1, 100, 0.25, 1, None),
        (1, 100, 0.19, 0, None),
    ],
)
def test_stage(current: int, hours_in: float, probability: float, expected: int, look_again_h: float | None) -> None:
    """Entered at its threshold, left 0.1 below it, not before 24 hours."""
    move = next_stage(current, 0.0, probability, hours_in * HOUR, (0.3, 0.6, 0.8), 0.1, 24 * HOUR)
    assert move == Move(expected, None if look_again_h is None else look_again_h * HOUR)


def test_stages_jumped_over_are_named_and_grace_keeps_a_fresh_lead_calm() -> None:
    """Down is no jump; within the grace period nothing is felt."""
    assert skipped(0, 3) == (Stage.EARLY_WARNING, Stage.ACTIVE_RISK)
    assert skipped(0, 1) == skipped(3, 1) == ()
    assert felt(0.9, 0.99, 1.0) == 0.0
    assert felt(0.9, 1.0, 1.0) == 0.9


def test_a_look_is_never_late() -> None:
    """Looks come closer to a crossing and meet it within half an hour; else the step doubles, up to 30 days."""
    crossings = np.array([7 * HOUR, 3 * DAY, 50 * DAY, 1 * HOUR])
    silent = np.array([10 * DAY, 5 * DAY, 100 * DAY, 1 * DAY])

    def stage_at(crossing: Any, positions: Any, times: Any) -> Any:
        return (times >= crossing[positions]).astype(int)

    together = next_looks(-silent, 0.0, np.zeros(4, int), partial(stage_at, crossings))
    assert together[2] == LONGEST_STEP
    for i, crossing in enumerate(crossings.tolist()):
        at = partial(stage_at, crossings[[i]])
        now, looks = 0.0, 0
        while now < crossing:
            look = float(next_looks(-silent[[i]], now, np.zeros(1, int), at)[0])
            assert looks or look == together[i]  # whoever else is asked about
            assert now < look <= max(crossing + PRECISION, now + PRECISION)
            now, looks = look, looks + 1
        assert looks <= 25
    assert next_looks(np.array([0.0]), 0.0, np.zeros(1, int), lambda p, _: np.zeros(len(p), int))[0] == FIRST_LOOK


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
    "suppressed": {E: "bounced"}, "consent": {"all": False}, "profile": Profile(), "held_out": True,
    "contacts": [Contact(NOON - HOUR, E)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("lifted", "now", "verdict", "rule"),
    [
        ([], NIGHT, Verdict.HELD, Rule.SUPPRESSED),
        (["suppressed"], NIGHT, Verdict.HELD, Rule.NO_CONSENT),
        (["suppressed", "consent"], NIGHT, Verdict.HELD, Rule.NO_ADDRESS),
        (["suppressed", "consent", "profile"], NIGHT, Verdict.HELD, Rule.HOLDOUT),
        (["suppressed", "consent", "profile", "held_out"], NIGHT, Verdict.DEFERRED, Rule.QUIET_HOURS),
        (["suppressed", "consent", "profile", "held_out"], NOON, Verdict.DEFERRED, Rule.CAP_TOTAL),
        (["suppressed", "consent", "profile", "held_out", "contacts"], NOON, Verdict.SENT, Rule.PLAYBOOK),
    ],
)
def test_the_arbiter_asks_in_this_order(lifted: list[str], now: float, verdict: Verdict, rule: Rule) -> None:
    """With every objection at once, the first decides; lift it, and the next one does."""
    subject = _subject(**{k: v for k, v in EVERYTHING.items() if k not in lifted})
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


def test_playbook() -> None:
    """Steps with their times from the stage's entry; a step that a later policy lacks is not found; fallbacks."""
    planned = plan(POLICY, 2, 1000.0)
    assert [(p.step, p.due, p.expires) for p in planned] == [
        ("tell_agent", 1000.0, 1000.0 + 24 * HOUR),
        ("personal_email", 1000.0 + HOUR, 1000.0 + 73 * HOUR),
        ("call_task", 1000.0, 1000.0 + 24 * HOUR),
    ]
    assert plan(POLICY, 0, 0.0) == []
    step = step_of(POLICY, planned[1])
    assert step
    assert (step.name, template_of(step, E), template_of(step, A)) == (
        "personal_email",
        "active_risk.email",
        "active_risk.in_app",
    )
    assert template_of(step.model_copy(update={"template": "spring_sale"}), A) == "spring_sale"
    assert step_of(POLICY, Planned(2, "gone", E, 0, 0)) is None
    assert fallback_of(step, {E}) is A
    assert fallback_of(step, {E, A}) is None


@pytest.mark.parametrize(
    ("stage", "last_key_day", "now_day", "expected"),
    [
        (2, -5, 10, None),
        (0, 3, 10, "re_engaged"),
        (0, -5, 10, "expired"),  # the risk fell without a sign of life
        (3, -5, 84.9, None),
        (3, -5, 85, "churned"),
        (3, -300, 0.5, None),  # a lead that was silent for long gets a day
        (3, -300, 1, "churned"),
        (1, 170, 180, "expired"),
    ],
)
def test_episode(stage: int, last_key_day: float, now_day: float, expected: str | None) -> None:
    """90 days of silence is churn, 180 days of episode is expiry."""
    episode = Episode(1, 1e9, 1, 0.5, held_out=False)
    assert (
        ending(episode, POLICY.episodes, stage=stage, last_key=1e9 + last_key_day * DAY, now=1e9 + now_day * DAY)
        == expected
    )
    assert ends_at(episode, POLICY.episodes, 1e9) == 1e9 + 90 * DAY


def _intervention(**changes: Any) -> Intervention:
    return Intervention(
        **{
            "id": "i",
            "at": 0.0,
            "episode": 1,
            "stage": 1,
            "step": "s",
            "channel": E,
            "held_out": False,
            "cost_cents": 0.0,
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("before", "receipt", "after"),
    [
        ("pending", "queued", "queued"),
        ("sending", "delivered", "delivered"),
        ("delivered", "sending", None),
        ("failed", "delivered", "delivered"),  # a late success beats an early failure
        ("delivered", "failed", None),
        ("opened", "delivered", None),
        ("opened", "clicked", "clicked"),
        ("responded", "opened", None),
        ("failed", "bounced", "bounced"),
        ("bounced", "failed", None),
        ("opened", "opened", None),
    ],
)
def test_receipts_never_move_a_message_back(before: str, receipt: str, after: str | None) -> None:
    """In any order of arrival."""
    intervention = _intervention(status=DeliveryStatus(before))
    assert apply_receipt(intervention, DeliveryStatus(receipt)) is (after is not None)
    assert intervention.status == (after or before)


def test_receipts_tell_of_delivery_engagement_and_answer_and_never_undo_a_return() -> None:
    """Opened implies delivered; an answer implies both; a lead that came back stays so; a closed outcome stays."""
    i = _intervention()
    apply_receipt(i, DeliveryStatus.OPENED)
    assert (i.delivered, i.engaged, i.responded, i.outcome) == (True, True, False, Outcome.IN_PROGRESS)
    back = _intervention(outcome=Outcome.RE_ENGAGED)
    apply_receipt(back, DeliveryStatus.DELIVERED)
    assert back.outcome is Outcome.RE_ENGAGED
    closed = _intervention(outcome=Outcome.IGNORED, final=True)
    apply_receipt(closed, DeliveryStatus.RESPONDED)
    assert (closed.outcome, closed.responded) == (Outcome.IGNORED, True)
    assert set(RANK) == set(DeliveryStatus)


@pytest.mark.parametrize(
    ("changes", "score"),
    [
        ({}, 0.0),
        ({"delivered": True}, 0.2),
        ({"delivered": True, "engaged": True}, 0.5),
        ({"delivered": True, "engaged": True, "responded": True}, 0.75),
        ({"outcome": Outcome.RE_ENGAGED}, 0.25),
        ({"outcome": Outcome.CONVERTED}, 0.5),
        ({"delivered": True, "engaged": True, "responded": True, "outcome": Outcome.CONVERTED}, 1.0),
    ],
)
def test_success_score(changes: dict[str, Any], score: float) -> None:
    """0.20 delivered + 0.30 engaged + 0.25 responded + 0.25 churn prevented; a conversion implies the last two."""
    assert success_score(_intervention(**changes)) == score


def test_what_is_said_of_an_intervention_without_a_sign_of_life_and_what_is_kept() -> None:
    """Failed, unknown or ignored; all open ones, all of the open episode, and ten closed ones are kept."""
    assert outcome_without_life(_intervention(status=DeliveryStatus.BOUNCED)) is Outcome.FAILED
    assert outcome_without_life(_intervention()) is Outcome.UNKNOWN
    assert outcome_without_life(_intervention(delivered=True)) is Outcome.IGNORED
    assert outcome_without_life(_intervention(held_out=True)) is Outcome.IGNORED
    many = [_intervention(id=str(n), final=n != 3) for n in range(15)]
    assert [i.id for i in forget_old(many, 0)] == ["3", *map(str, range(5, 15))]
    assert forget_old(many, 1) == many


def test_levels_bands_and_confidence() -> None:
    """Levels by threshold reached; a band for each level; the seed's formula for confidence."""
    assert [level_of(p, (0.3, 0.6, 0.8)) for p in (0.29, 0.3, 0.6, 0.8, 1.0)] == [0, 1, 2, 3, 3]
    assert BANDS == (">30", "14-30", "7-14", "<7")
    known, unknown = _x(key_events=5), _x(key_events=0)
    assert confidence(np.stack([known, known, unknown]), np.array([0.5, 1.0, 0.75])).tolist() == [0.6, 1.0, 0.2]


def _x(**values: float) -> Any:
    x = np.full(len(NAMES), np.nan)
    for name in ("silent_days", "key_events"):
        x[COLUMN[name]] = 0.0
    for name, value in values.items():
        x[COLUMN[name]] = value
    return x


def test_health_has_parts_and_what_is_unknown_is_absent() -> None:
    """Engagement halves with every two usual gaps; the rest are shares; overall is the mean of what is known."""
    bare = _x(silent_days=14.0)
    full = _x(silence_ratio=2.0, mood=0.8, payment_trouble_share=0.25, unanswered_share=0.5)
    found = [dict(zip(PARTS, row, strict=True)) for row in health(np.stack([bare, full])).tolist()]
    assert {part for part, value in found[0].items() if value != value} == {  # noqa: PLR0124 - NaN
        "satisfaction",
        "payment",
        "responsiveness",
    }
    assert (found[0]["overall"], found[0]["engagement"]) == (50.0, 50.0)
    assert found[1] == {
        "overall": 63.8,
        "engagement": 50.0,
        "satisfaction": 80.0,
        "payment": 75.0,
        "responsiveness": 50.0,
    }


def test_reasons_are_in_words_with_the_leads_own_numbers() -> None:
    """Three that raise, two that lower, the largest first; trifles are not worth a word."""
    effects = np.zeros(len(FAMILIES))
    for family, effect in (
        ("silence", 3.0),
        ("unanswered", 0.4),
        ("trouble", 0.2),
        ("mood", 0.1),
        ("history", -0.6),
        ("value", -0.01),
    ):
        effects[FAMILIES.index(family)] = effect
    x = _x(silent_days=9.2, usual_gap_days=2.1, unanswered_share=1 / 3, key_events=1)
    told = reasons_of(effects, x)
    assert [(r.family, r.effect) for r in told] == [
        ("silence", 3.0),
        ("unanswered", 0.4),
        ("trouble", 0.2),
        ("history", -0.6),
    ]
    assert told[0].text == "silent 9 days, usually 2 days between signs of life"
    assert told[1].text == "a contact unanswered or declined a while ago (33 % of ours)"
    assert told[3].text == "1 sign of life so far"
    assert all(in_words(family, _x(), raises=raises) for family in FAMILIES for raises in (True, False))


def test_ids_never_change() -> None:
    """Golden values: another value here would send every message once more."""
    assert derive("int", "acme", "L1", "real_estate", 7, 1, "active_risk.call", "email") == GOLDEN["int"]
    assert derive("x", 1) == derive("x", "1") == GOLDEN["x"]
    assert bucket("holdout-1", "acme", "L1") == GOLDEN["bucket"]
    assert fingerprint("e1") == GOLDEN["fingerprint"]
    assert derive("x", "a", "b") != derive("x", "ab") != derive("x", "a\x1fb ")


GOLDEN: dict[str, Any] = {
    "int": "int-d6167457570d9bf571fe8278003a92",
    "x": "x-ec5bc0202174736888f13209156930",
    "bucket": 2361,
    "fingerprint": 292540415853092123,
}
