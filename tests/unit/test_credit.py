"""Who takes credit, what a conversion is worth, and when another channel is not tried any more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.lives import CALM, Life


def _ordered(**about: Any) -> tuple[Life, str]:
    """A lead for which an operator's order sent an e-mail on day 3, and the e-mail's id."""
    life = Life(**about)
    life.tell(1, "item_viewed", item="listing-1")
    life.tell(3, "trigger_intervention", stage="early_warning", by="kim")
    return life, next(iter(life.commands("email")), "")


def test_another_channel_is_not_tried_once_the_lead_is_back() -> None:
    """While it is away, the app takes over from a mailbox that does not exist."""
    for back in (False, True):
        life, email = _ordered()
        life.tell(3.1, "receipt", intervention=email, channel="email", status="sending")
        if back:
            life.tell(4, "item_viewed", item="listing-2")
        life.tell(5, "receipt", intervention=email, channel="email", status="bounced")
        assert bool(life.commands("in_app")) is not back


@pytest.mark.parametrize(("error", "next_channel"), [("expired: deadline", False), ("rejected: 550", True)])
def test_what_came_too_late_by_one_channel_is_too_late_by_any(error: str, next_channel: bool) -> None:
    """A courier says `expired:` when the deadline has passed."""
    life, email = _ordered()
    life.tell(4, "receipt", intervention=email, channel="email", status="failed", error=error)
    assert bool(life.commands("in_app")) is next_channel


def _worth(life: Life) -> list[tuple[str, int]]:
    return [(t["outcome"], t["value_cents"]) for t in life.told if t["type"] == "episode_closed"]


@pytest.mark.parametrize(
    ("profile", "amount", "worth"),
    [
        ({"value_cents": 12_000_00}, {}, 12_000_00),
        ({"value_cents": 12_000_00}, {"amount_cents": 900}, 900),
        ({"value_cents": 12_000_00}, {"amount_cents": 0}, 0),
        ({}, {}, 250_00),
    ],
)
def test_a_conversion_is_worth_its_amount_else_what_the_lead_is_worth(
    profile: dict[str, int], amount: dict[str, int], worth: int
) -> None:
    """The lead's own value, else the tenant's usual one."""
    life, _ = _ordered(changes={"lead_value_cents": 250_00}, **profile)
    life.tell(4, "subscription_started", **amount)
    assert _worth(life) == [("converted", worth)]


def test_a_custom_kind_converts_by_its_kind() -> None:
    """`converting` names it as the vocabulary does."""
    changes = {
        "vocabulary": {"deed_signed": {"family": "purchase", "key": True}, "seen": {"family": "browse", "key": True}},
        "episodes": {"converting": ["deed_signed"]},
    }
    life, _ = _ordered(changes=changes)
    life.tell(4, "custom", kind="seen")
    assert _worth(life) == []
    life.tell(5, "custom", kind="deed_signed", amount_cents=700)
    assert _worth(life) == [("converted", 700)]


@pytest.mark.parametrize("kind", ["item_viewed", "purchase_completed"])
@pytest.mark.parametrize("status", ["failed", "bounced"])
def test_what_did_not_get_through_takes_no_credit(kind: str, status: str) -> None:
    """The lead came back without it."""
    life, email = _ordered(changes={"channels": {**CALM["channels"], "in_app": {"max_per_week": 0}}})
    life.tell(3.1, "receipt", intervention=email, channel="email", status=status)
    life.tell(4, kind, **({"item": "x"} if kind == "item_viewed" else {"amount_cents": 5}))
    life.ticks(5, 20)
    assert life.tracked("email")[-1] == (status, "failed", True)
    assert not {"re_engaged", "converted"} & {outcome for _, outcome, _ in life.tracked("email")}


@pytest.mark.parametrize("out", [False, True])
def test_what_was_taken_back_takes_no_credit_in_either_arm(out: bool) -> None:
    """A held-out lead is measured by the same rule as a treated one; what got out all the same does count."""
    life, email = _ordered(out=out)
    assert bool(email) is not out
    life.tell(3.1, "cancel_interventions", by="kim")
    life.tell(4, "item_viewed", item="listing-2")
    life.ticks(5, 20)
    assert life.tracked("email") == [("pending", "unknown", True)]


def test_what_got_out_before_it_was_taken_back_takes_credit() -> None:
    """The courier's receipt says so."""
    life, email = _ordered()
    life.tell(3.1, "cancel_interventions", by="kim")
    life.tell(3.2, "receipt", intervention=email, channel="email", status="delivered")
    life.tell(4, "item_viewed", item="listing-2")
    assert life.tracked("email")[-1] == ("delivered", "re_engaged", False)


def test_an_answer_to_an_intervention_of_ours_counts_as_its_response() -> None:
    """Also to one whose outcome is closed already, which stays; an id that is not ours says nothing."""
    life, email = _ordered()
    life.tell(4, "message_received", channel="email", in_reply_to="mail-of-somebody")
    assert life.tracked("email") == [("pending", "re_engaged", False)]
    life.tell(5, "message_received", channel="email", in_reply_to=email)
    assert life.tracked("email")[-1] == ("responded", "re_engaged", False)
    other, email = _ordered()
    other.ticks(4, 20)
    assert ("pending", "unknown", True) in other.tracked("email")
    told = other.tell(21, "message_received", channel="email", in_reply_to=email)
    told = [t for t in told if t.get("intervention") == email and t["type"] == "intervention_tracked"]
    assert [(t["status"], t["outcome"], t["final"]) for t in told] == [("responded", "unknown", True)]
