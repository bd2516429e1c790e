"""Playbooks, the end of episodes, receipts, and what is said of an intervention."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.outcomes import Outcome
from schemas.units import Channel, DeliveryStatus
from streams.episode import ending, ends_at
from streams.features import DAY, HOUR
from streams.playbook import plan, step_of, template_of
from streams.record import Episode, Intervention, Planned
from streams.track import RANK, apply_receipt, forget_old, outcome_without_life, success_score
from tests.worlds import policy

POLICY = policy()
E, A = Channel.EMAIL, Channel.IN_APP


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
