"""Playbooks that branch, wait, stop and hand on; orders of operators; and records of an earlier version."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from schemas.outcomes import Outcome
from schemas.units import Channel
from streams.findings import ContradictionError
from streams.policy import Policy
from streams.record import Episode, LeadRecord, Planned
from streams.state import decode_record, encode_record
from streams.unreachable import unreachable
from tests.unit.lives import Life
from tests.worlds import POLICY_FILE, policy

NOTE: dict[str, Any] = {
    "name": "note", "action": "market_update", "channel": "email", "template": "early_warning.email", "within_hours": 72,
}  # fmt: skip


def step(name: str, channel: str = "in_app", **more: Any) -> dict[str, Any]:
    """A step of a test's playbook."""
    return {**NOTE, "name": name, "channel": channel, "template": f"early_warning.{channel}", **more}


def living(*steps: dict[str, Any], **playbook: Any) -> Life:
    """A lead whose first stage has these steps; silent from day 8 on, in that stage on day 14."""
    life = Life({"playbooks": {"early_warning": {"steps": [NOTE, *steps], **playbook}}})
    life.grow_silent(14)
    return life


def said(life: Life, step: str) -> list[tuple[str, str]]:
    """What was decided about a step."""
    return [(t["verdict"], t["rule"]) for t in life.told if t["type"] == "decided" and t["step"] == step]


SENT, BRANCH = ("sent", "playbook"), ("held", "branch")


@pytest.mark.parametrize(("opened", "thanks", "again"), [(True, SENT, BRANCH), (False, BRANCH, SENT)])
def test_a_playbook_branches_on_what_became_of_a_step(*, opened: bool, thanks: Any, again: Any) -> None:
    life = living(
        step("thanks", after={"step": "note", "on": ["opened", "clicked"], "within_hours": 48}),
        step("again", after={"step": "note", "unless": ["opened", "clicked"], "within_hours": 48}),
    )
    assert said(life, "note") == [SENT]
    assert said(life, "thanks") == said(life, "again") == []
    if opened:
        (mail,) = life.commands("email")
        life.tell(14.5, "receipt", intervention=mail, channel="email", status="opened")
        assert said(life, "thanks") == [SENT]
    life.ticks(15, 17)
    assert (said(life, "thanks"), said(life, "again")) == ([thanks], [again])


def test_a_step_waits_for_an_event_and_its_delay_counts_from_then() -> None:
    life = living(
        step("sorry", after={"step": "note", "on": ["crm_stage_changed"], "within_hours": 96}, delay_hours=24),
        step("last", after={"step": "sorry", "on": ["sent"]}),
    )
    life.tell(15.5, "crm_stage_changed", stage="offer", happened=13.5)
    assert said(life, "sorry") == [], "that was before the note"
    life.tell(16.5, "crm_stage_changed", stage="offer")
    life.ticks(17, 17)
    assert said(life, "sorry") == []
    life.ticks(18, 18)
    assert said(life, "sorry") == said(life, "last") == [SENT]


def test_what_was_held_for_good_can_be_answered_and_a_fallback_is_no_end() -> None:
    """By e-mail there is no consent, so the app speaks: the step was sent. Without the app it was held."""
    for fallback, word in ((["in_app"], "sent"), ([], "held")):
        first = {**NOTE, "fallback": fallback}
        asks = [step("then", "crm_task", after={"step": "note", "on": [word]})]
        life = Life({"playbooks": {"early_warning": {"steps": [first, *asks]}}})
        life.tell(0, "consent_changed", channel="email", allowed=False)
        life.grow_silent(14)
        assert said(life, "then") == [SENT]


def test_a_message_that_fails_on_its_last_channel_is_heard_as_failed() -> None:
    life = living(step("call", "crm_task", after={"step": "note", "on": ["failed", "bounced"]}))
    (mail,) = life.commands("email")
    life.tell(14.2, "receipt", intervention=mail, channel="email", status="bounced")
    assert said(life, "call") == [SENT]


@pytest.mark.parametrize(
    ("stop_on", "event", "stopped"),
    [
        (["recovery"], {"kind": "item_viewed", "item": "x"}, True),
        (["reply"], {"kind": "item_viewed", "item": "x"}, False),
        (["reply"], {"kind": "message_received", "channel": "email"}, True),
        (["recovery", "opt_out"], {"kind": "consent_changed", "channel": "all", "allowed": False}, True),
        (["recovery"], {"kind": "consent_changed", "channel": "all", "allowed": False}, False),
        (["opt_out"], {"kind": "consent_changed", "channel": "email", "allowed": False}, False),
        ([], {"kind": "item_viewed", "item": "x"}, False),
        ([], {"kind": "purchase_completed", "amount_cents": 100}, True),
    ],
)
def test_what_stops_a_playbook(stop_on: list[str], event: dict[str, Any], *, stopped: bool) -> None:
    """A step for staff waits half a day; what happens before decides whether it comes."""
    life = living(step("task", "crm_task", delay_hours=16), stop_on=stop_on)
    life.tell(14.5, event["kind"], **{k: v for k, v in event.items() if k != "kind"})
    life.tell(14.8, "page_viewed")
    assert (SENT in said(life, "task")) is not stopped


def test_a_reply_by_receipt_stops_a_playbook_that_stops_on_replies() -> None:
    life = living(step("task", "crm_task", delay_hours=48), stop_on=["reply"])
    (mail,) = life.commands("email")
    life.tell(14.5, "receipt", intervention=mail, channel="email", status="responded")
    assert said(life, "task") == [("held", "recovered")]


def test_a_playbook_that_came_to_nothing_hands_on_once() -> None:
    """The next stage's playbook begins before the risk is there, and does not begin again when it is."""
    life = living(hand_on_after_hours=48)
    life.ticks(15, 16)
    assert said(life, "hand_on") == [("escalated", "playbook")]
    life.ticks(17, 21)
    assert said(life, "personal_email") == said(life, "call_task") == said(life, "tell_agent") == [SENT]
    assert life.record.episode
    assert (life.record.episode.playbook, life.record.episode.handed_on) == (2, 2)
    assert any(t.get("stage") == "active_risk" for t in life.told if t["type"] == "lead_assessed")


def test_the_last_playbook_hands_on_to_a_person_and_a_stopped_one_does_not() -> None:
    life = Life({"playbooks": {"critical_risk": {"steps": [step("x", "crm_task")], "hand_on_after_hours": 24}}})
    life.grow_silent(40)
    reasons = [t["detail"] for t in life.told if t["type"] == "decided" and t["step"] == "escalate"]
    assert [r.startswith("nothing stopped the playbook of critical_risk") for r in reasons[1:]] == [True]
    back = living(hand_on_after_hours=48)
    back.tell(15, "item_viewed", item="x")
    back.ticks(16, 20)
    assert said(back, "hand_on") == []


def test_an_operator_orders_actions_of_their_own() -> None:
    """In place of the playbook's steps, judged like any other; a channel that the policy lacks is held."""
    life = Life()
    life.tell(1, "item_viewed", item="x")
    own = {"action": "special_offer", "channel": "email", "template": "critical_risk.email"}
    life.tell(
        2, "trigger_intervention", stage="active_risk", by="kim",
        actions=[own, {**own, "channel": "in_app", "template": "critical_risk.in_app", "delay_hours": 24}],
    )  # fmt: skip
    life.ticks(3, 4)
    assert said(life, "ordered_1") == said(life, "ordered_2") == [("sent", "operator")]
    commands = [t for t in life.told if t["type"] == "deliver_intervention"]
    assert [(c["action"], c["template"]) for c in commands] == [
        ("special_offer", "critical_risk.email"), ("special_offer", "critical_risk.in_app"),
    ]  # fmt: skip
    assert said(life, "personal_email") == []
    shop = Life({"channels": {"sms": {"contacts_lead": True}}})
    shop.tell(1, "item_viewed", item="x")
    shop.tell(2, "trigger_intervention", stage="active_risk", by="kim", actions=[{**own, "delay_hours": 240}])
    shop.tell(3, "cancel_interventions", by="kim")
    assert said(shop, "ordered_1") == [("held", "operator")]


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"step": "nobody", "on": ["sent"]}, "comes after 'nobody', which is not there beside it"),
        ({"step": "second", "on": ["sent"]}, "step second waits for itself"),
        ({"step": "note", "on": ["read"]}, "'read' is nothing that can be heard"),
        ({"step": "note"}, "say either on or unless"),
        ({"step": "note", "on": ["sent"], "unless": ["opened"]}, "say either on or unless"),
    ],
)
def test_a_wait_that_cannot_be_is_refused(after: dict[str, Any], words: str) -> None:
    raw = tomllib.loads(POLICY_FILE.read_text())
    raw["playbooks"]["early_warning"]["steps"] = [NOTE, step("second", after=after)]
    with pytest.raises(ValueError, match=words):
        Policy.model_validate(raw)


def test_a_wait_for_what_ends_the_playbook_is_unreachable() -> None:
    second = step("second", after={"step": "note", "on": ["item_viewed"]})
    rules = policy({"playbooks": {"early_warning": {"steps": [NOTE, second]}}})
    assert [f.place[-1] for f in unreachable(rules)] == ["on"]
    lives_on = policy({"playbooks": {"early_warning": {"steps": [NOTE, second], "stop_on": ["reply"]}}})
    assert list(unreachable(lives_on)) == []
    assert ContradictionError([]).findings == []


OLD = bytes.fromhex(
    "9f9aa3416e6eaf616e6e406578616d706c652e636f6dc0b0416d65726963612f4e65775f596f726ba2656ea555532d4e59a36b696da36c6565"
    "ce00124f80c081a3616c6cc281a3736d73a7626f756e6365649802cb405900000000000001cb3fe0000000000000c2cb3fe800000000000001"
    "919701ab67656e746c655f6e6f7465a5656d61696ccb4069000000000000cb4072c0000000000001a46f702d31029192cb4056800000000000"
    "a5656d61696c91dc0010a5696e742d31cb40568000000000000201ab67656e746c655f6e6f7465a5656d61696cc2cb3f847ae147ae147ba66f"
    "70656e6564ab696e5f70726f6772657373c3c3c2c2a0c39196a56573632d31cb4057c0000000000002a36c6565b5656e746572656420637269"
    "746963616c5f7269736bc301cb4057c00000000000a0cb0000000000000000c281a3616c6ccb4054000000000000cb4051800000000000"
)
"""A record as the first version wrote it, with everything in it."""


def test_records_of_the_first_version_are_read() -> None:
    record = decode_record(OLD)
    assert record.episode == Episode(
        2, 100.0, 1, 0.5, held_out=False, cost_cents=0.75, sent=1,
        planned=[Planned(1, "gentle_note", Channel.EMAIL, 200.0, 300.0, 1, "op-1")],
    )  # fmt: skip
    assert (record.profile.name, record.interventions[0].outcome) == ("Ann", Outcome.IN_PROGRESS)
    assert record.escalations[0].acknowledged
    assert (record.consent_at, record.profile_at) == ({"all": 80.0}, 70.0)
    assert decode_record(encode_record(record)) == record
    assert len(encode_record(LeadRecord())) < 80, "a lead with nothing to remember stays small"
