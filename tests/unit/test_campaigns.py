"""Campaigns: what begins one and what ends it, and that it stands beside the playbooks without touching an episode."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from streams.partition import Out
from streams.track import KEEP_PAST
from streams.volumes import Volumes
from tests.unit.lives import Life
from tests.worlds import START, policy

STAGES = [
    {"name": "deciding", "done_on": ["viewing_done"], "milestones": ["price_alert_set"]},
    {"name": "client", "done_on": ["offer_made"], "back_on": ["offer_withdrawn"], "typical_days": 5},
    {"name": "advocate", "back_on": ["viewing_missed"]},
]
SAY = {
    "name": "say",
    "action": "personalised_email",
    "channel": "email",
    "template": "early_warning.email",
    "within_hours": 48,
}


CALM_STAGES = {"early_warning": 0.997, "active_risk": 0.998, "critical_risk": 0.999}
"""Nobody is at risk."""


def day(n: float) -> str:
    """A day after the start, ISO 8601."""
    return (START + timedelta(days=n)).isoformat()


def living(
    trigger: dict[str, Any],
    *,
    out: bool = False,
    steps: list[dict[str, Any]] | None = None,
    stages: dict[str, float] | None = None,
    **more: Any,
) -> Life:
    """A lead of a policy with one campaign; the playbooks are silent."""
    own = {"trigger": trigger, "steps": steps or [SAY], "again_after_days": 0, **more}
    books: dict[str, Any] = {stage: {"steps": []} for stage in ("early_warning", "active_risk", "critical_risk")}
    changes = {
        "journey": {"stages": STAGES},
        "campaigns": {"it": own},
        "playbooks": books,
        "stages": stages or CALM_STAGES,
    }
    life = Life(changes, out=out)
    life.tell(0, "item_viewed", item="x")
    return life


def said(life: Life) -> list[tuple[str, str, str]]:
    """Day, verdict and rule of what was decided about the campaign."""
    mine = [t for t in life.told if t["type"] == "decided" and t["campaign"] == "it"]
    return [(t["at"][5:10], t["verdict"], t["rule"]) for t in mine]


BEGUN, SENT = ("begun", "campaign"), ("sent", "campaign")
Told = tuple[float, str, dict[str, Any]]


@pytest.mark.parametrize(
    ("trigger", "given", "when"),
    [
        ({"type": "event", "kinds": ["viewing_missed"]}, [(3, "custom", {"kind": "viewing_missed"})], "01-08"),
        ({"type": "event", "kinds": ["payment_failed"]}, [(3, "payment_failed", {})], "01-08"),
        ({"type": "appointment_due", "hours_before": 24}, [(1, "appointment_scheduled", {"starts_at": day(6)})], "01-10"),
        ({"type": "renewal_due", "days_before": 3}, [(1, "subscription_started", {"renews_at": day(9)})], "01-11"),
        ({"type": "anniversary", "kind": "viewing_done", "after_days": 7}, [(1, "custom", {"kind": "viewing_done"})], "01-13"),
        ({"type": "satisfaction_drop", "below": 0.5}, [(3, "survey_answered", {"score": 0.1})], "01-08"),
        ({"type": "satisfied", "at_least": 0.9}, [(3, "review_posted", {"stars": 5})], "01-08"),
        ({"type": "satisfied", "at_least": 0.9}, [(3, "message_received", {"mood": 0.95})], "01-08"),
        ({"type": "lifecycle_stage", "stage": "client"}, [(3, "custom", {"kind": "viewing_done"})], "01-08"),
        ({"type": "lifecycle_stage", "stage": "client", "when": "stalled"}, [(1, "custom", {"kind": "viewing_done"})], "01-16"),
        (
            {"type": "lifecycle_stage", "stage": "client", "when": "moved_back"},
            [(1, "custom", {"kind": "offer_made"}), (4, "custom", {"kind": "viewing_missed"})],
            "01-09",
        ),
    ],
    ids=lambda v: v["type"] if isinstance(v, dict) else None,
)  # fmt: skip
def test_what_begins_a_campaign(trigger: dict[str, Any], given: list[Told], when: str) -> None:
    """Each trigger, once, on its day; and nothing of it is a churn episode."""
    life = living(trigger)
    for at, event, fields in given:
        life.tell(at, event, **fields)
    life.ticks(5, 20)
    assert said(life) == [(when, *BEGUN), (when, *SENT)]
    assert len(life.commands("email")) == 1
    assert life.record.episodes == 0
    assert {t["episode"] for t in life.told if t["type"] == "deliver_intervention"} == {0}


def test_a_rise_begins_a_campaign_beside_the_playbook() -> None:
    life = living({"type": "churn_risk", "stage": "early_warning"}, stages={"early_warning": 0.3})
    life.grow_silent(16)
    assert [s[1:] for s in said(life)] == [BEGUN, SENT]
    assert life.record.episodes == 1
    assert life.record.episode is not None
    assert life.record.episode.sent == 0, "an episode counts what its playbooks sent"


@pytest.mark.parametrize(
    ("given", "trigger"),
    [
        ([(3, "message_received", {"text": "hello"})], {"type": "satisfied", "at_least": 0.0}),
        ([(1, "appointment_scheduled", {"starts_at": day(1.5)})], {"type": "appointment_due", "hours_before": 24}),
        (
            [(1, "appointment_scheduled", {"starts_at": day(6)}), (2, "appointment_cancelled", {})],
            {"type": "appointment_due", "hours_before": 24},
        ),
        (
            [(1, "custom", {"kind": "viewing_done"}), (3, "custom", {"kind": "offer_made"})],
            {"type": "lifecycle_stage", "stage": "client", "when": "stalled"},
        ),
        (
            [(1, "lead_closed", {"outcome": "won"}), (2, "custom", {"kind": "page_read"}), (3, "payment_failed", {})],
            {"type": "event", "kinds": ["payment_failed"]},
        ),
    ],
    ids=["no mood in it", "agreed too late", "called off", "not stuck", "closed"],
)
def test_what_begins_none(given: list[Told], trigger: dict[str, Any]) -> None:
    life = living(trigger)
    for at, event, fields in given:
        life.tell(at, event, **fields)
    life.ticks(5, 20)
    assert said(life) == []


def test_a_campaign_has_a_holdout_of_its_own() -> None:
    """Half of the leads, drawn by the salt, get all else; what the campaign would have sent them is written down."""
    arms = set()
    for salt in "abcdefgh":
        half = {"trigger": {"type": "event", "kinds": ["payment_failed"]}, "steps": [SAY], "holdout": 0.5}
        life = Life({"campaigns": {"it": half}, "holdout": {"share": 0.0, "salt": salt}})
        life.tell(1, "payment_failed")
        begun, step = [t for t in life.told if t["type"] == "decided" and t["campaign"] == "it"]
        sent = step["verdict"] == "sent"
        assert (begun["arm"], step["arm"], step["rule"]) == (
            ("treated", "treated", "campaign") if sent else ("holdout", "holdout", "holdout")
        )
        assert begun["propensity"] == step["propensity"] == 0.5
        assert any(t["type"] == "deliver_intervention" for t in life.told) == sent
        assert ("programme campaign.it" in step["detail"]) == (not sent)
        arms.add(step["arm"])
    assert arms == {"treated", "holdout"}


def test_an_approved_step_of_a_campaign_goes_out() -> None:
    life = Life({"approvals": {"actions": ["special_offer"], "expires_after_hours": 100}, "campaigns": {"it": {
        "trigger": {"type": "event", "kinds": ["payment_failed"]}, "steps": [{**SAY, "action": "special_offer"}],
    }}})  # fmt: skip
    life.tell(1, "payment_failed")
    (asked,) = [t for t in life.told if t["type"] == "decided" and t["verdict"] == "deferred"]
    life.tell(1.5, "approve_intervention", intervention=asked["intervention"], approved=True, by="lee")
    assert said(life)[-1][1:] == SENT


@pytest.mark.parametrize(
    ("stop_on", "event", "fields"),
    [
        ("recovery", "item_viewed", {"item": "x"}),
        ("reply", "message_received", {"channel": "email"}),
        ("opt_out", "consent_changed", {"channel": "all", "allowed": False}),
        ("payment_failed", "payment_failed", {}),
        ("viewing_booked", "custom", {"kind": "viewing_booked"}),
    ],
)
def test_what_ends_a_campaign(stop_on: str, event: str, fields: dict[str, Any]) -> None:
    for stops in ([], [stop_on]):
        trigger = {"type": "event", "kinds": ["viewing_missed"]}
        life = living(
            trigger,
            stop_on=stops,
            steps=[{**SAY, "channel": "crm_task", "template": "active_risk.crm_task", "delay_hours": 24}],
        )
        life.tell(1, "custom", kind="viewing_missed")
        life.tell(1.2, event, **fields)
        assert len(life.record.planned) == (0 if stops else 1)
        life.ticks(2, 3)
        assert len(life.commands("crm_task")) == (0 if stops else 1)


def test_what_was_before_it_begun_does_not_end_it_however_late_it_is_told() -> None:
    life = living(
        {"type": "event", "kinds": ["viewing_missed"]}, stop_on=["recovery"], steps=[{**SAY, "delay_hours": 24}]
    )
    life.tell(1, "custom", kind="viewing_missed")
    life.tell(1.2, "item_viewed", happened=0.5, item="x")
    assert len(life.record.planned) == 1


def test_it_runs_again_when_its_gap_is_over_with_ids_of_its_own() -> None:
    life = living({"type": "event", "kinds": ["viewing_missed"]}, again_after_days=3)
    for at in (1, 2, 4.5):
        life.tell(at, "custom", kind="viewing_missed")
    assert [s[1:] for s in said(life)] == [BEGUN, SENT, ("held", "campaign_gap"), BEGUN, SENT]
    assert len(set(life.commands("email"))) == 2


def test_an_operator_begins_one_whomever_it_is_meant_for_but_not_twice_at_a_time() -> None:
    life = living(
        {"type": "event", "kinds": ["viewing_missed"]},
        where={"journey": ["advocate"]},
        steps=[{**SAY, "delay_hours": 24}],
    )
    for at in (1, 1.5):
        life.tell(at, "begin_campaign", campaign="it", by="kim")
    life.tell(1.6, "begin_campaign", campaign="that", by="kim")
    assert [s[1:] for s in said(life)] == [("begun", "operator"), ("held", "operator")]
    assert life.told[-1]["detail"] == "ordered by kim; the policy has it"
    life.ticks(2, 3)
    assert len(life.commands("email")) == 1


def test_a_second_run_does_not_begin_while_the_first_is_under_way() -> None:
    life = living({"type": "event", "kinds": ["viewing_missed"]}, steps=[{**SAY, "delay_hours": 24}])
    for at in (1, 1.5):
        life.tell(at, "custom", kind="viewing_missed")
    assert [s[1:] for s in said(life)] == [BEGUN, ("held", "campaign_gap")]


@pytest.mark.parametrize(
    ("where", "meant"),
    [
        ({"journey": ["deciding"]}, True),
        ({"journey": ["client", "advocate"]}, False),
        ({"risk": ["none"]}, True),
        ({"risk": ["critical_risk"]}, False),
        ({"least_value_cents": 10**9}, False),
        ({"health": [50, 100]}, True),
        ({"health": [0, 20]}, False),
    ],
)
def test_whom_it_is_for(where: dict[str, Any], *, meant: bool) -> None:
    life = living({"type": "event", "kinds": ["viewing_missed"]}, where=where)
    life.tell(1, "custom", kind="viewing_missed")
    assert bool(said(life)) is meant


def test_a_campaign_branches_waits_and_falls_back_as_a_playbook_does() -> None:
    steps = [
        {**SAY, "fallback": ["in_app"]},
        {
            **SAY,
            "name": "thanks",
            "channel": "in_app",
            "template": "early_warning.in_app",
            "after": {"step": "say", "on": ["opened"]},
        },
        {**SAY, "name": "again", "after": {"step": "say", "unless": ["opened"], "within_hours": 24}},
    ]
    life = living({"type": "event", "kinds": ["viewing_missed"]}, steps=steps)
    life.tell(1, "custom", kind="viewing_missed")
    (mail,) = life.commands("email")
    life.tell(1.1, "receipt", intervention=mail, channel="email", status="failed")
    (shown,) = life.commands("in_app")
    life.tell(1.2, "receipt", intervention=shown, channel="in_app", status="opened")
    assert len(life.commands("in_app")) == 2
    life.ticks(2, 4)
    assert life.commands("email") == [mail], "it was opened, so it is not said again"
    life.ticks(5, 30)
    assert [i.final for i in life.record.interventions] == [True] * 3, "each ends with an outcome"


def test_what_campaigns_sent_is_forgotten_in_the_end() -> None:
    life = living({"type": "event", "kinds": ["viewing_missed"]})
    for at in range(1, 400, 16):
        life.tell(at, "custom", kind="viewing_missed")
        life.ticks(at + 1, at + 15)
    assert len(life.commands("email")) == 25
    assert len(life.record.interventions) <= KEEP_PAST + 1


def test_a_simulation_counts_campaigns_and_tells_their_steps_apart_from_those_of_playbooks() -> None:
    life = living({"type": "event", "kinds": ["viewing_missed"]})
    life.tell(1, "custom", kind="viewing_missed")
    volumes = Volumes(policy())
    volumes.take(Out(t["topic"], b"acme:L", json.dumps(t).encode()) for t in life.told)
    assert volumes.begun == {"it": 1}
    assert volumes.sent == {"email": 1}
    assert {(c.stage, c.step, c.episode) for c in volumes.choices} == {("campaign", "it", 0), ("campaign", "it.say", 0)}
