"""Offers by stage: what a lead is offered, what it costs and needs, how seldom it comes, and what it brings."""

from typing import Any

import pytest

from agents.cli.learn import offers_in_words
from agents.habits import Habits
from agents.learned import announcement, learn
from schemas.errors import PolicyInvalid
from streams.bandit import Trial, shown
from streams.env import EVERYONE
from streams.policy import parse_policy
from streams.unreachable import unreachable
from tests.unit.lives import CALM, Life
from tests.unit.test_bandit import NOW
from tests.unit.test_effects import Told
from tests.worlds import policy

OFFERS: dict[str, Any] = {
    "ten": {"words": "10 % off", "stages": ["critical_risk"], "cost_cents": 1000},
    "twenty": {"words": "20 % off", "stages": ["critical_risk", "active_risk"], "cost_cents": 2000},
    "stopped": {"words": "half price", "stages": ["critical_risk"], "cost_cents": 9000, "weight": 0},
}
OFFER = {"action": "special_offer", "channel": "email", "template": "critical_risk.email"}


def _life(**changes: Any) -> Life:
    life = Life({"offers": OFFERS, **changes})
    life.tell(0, "item_viewed", item="x")
    return life


def _order(life: Life, day: float, stage: str = "critical_risk", action: str = "special_offer") -> None:
    life.tell(day, "trigger_intervention", stage=stage, by="kim", actions=[{**OFFER, "action": action}])


def _last(life: Life, kind: str) -> dict[str, Any]:
    return [told for told in life.told if told["type"] == kind][-1]


def test_a_lead_is_offered_what_it_was_drawn_for_and_the_cost_counts() -> None:
    life = _life()
    _order(life, 1)
    command, decision = _last(life, "deliver_intervention"), _last(life, "decided")
    (draw,) = decision["drawn"]
    assert (draw["experiment"], draw["propensity"]) == ("offer_critical_risk", 0.5)
    assert draw["variant"] in {"ten", "twenty"}
    assert command["variables"]["offer_words"] == OFFERS[draw["variant"]]["words"]
    rule = life.world.policies[""][EVERYONE].channels["email"]  # type: ignore[index]
    assert decision["rank"]["cost_cents"] == rule.cost_cents + OFFERS[draw["variant"]]["cost_cents"]
    _order(life, 2)
    assert _last(life, "decided")["drawn"] == [draw], "and the same again"
    _order(life, 3, "active_risk")
    assert _last(life, "deliver_intervention")["variables"]["offer_words"] == "20 % off"
    assert _last(life, "decided")["drawn"][0]["propensity"] == 1.0
    _order(life, 4, "early_warning")
    assert _last(life, "deliver_intervention")["variables"]["offer_words"] is None, "no offer is for this stage"
    _order(life, 5, action="market_update")
    assert _last(life, "deliver_intervention")["variables"]["offer_words"] is None, "this is no offer"
    assert _last(life, "decided")["drawn"] == []


def test_what_it_costs_may_need_a_persons_yes_and_may_be_beyond_the_budget() -> None:
    life = _life(approvals={"actions": [], "above_cost_cents": 900})
    _order(life, 1)
    assert _last(life, "decided")["rule"] == "approval"
    life = _life(budget={"per_day_cents": 900})
    _order(life, 1)
    assert _last(life, "decided")["rule"] == "budget"


def test_one_offer_in_ninety_days_whatever_the_episode() -> None:
    life = _life(caps={**CALM["caps"], "action_gap_hours": {"special_offer": 2160}})
    _order(life, 1)
    assert _last(life, "decided")["verdict"] == "sent"
    life.tell(2, "purchase_completed", amount_cents=100)
    for day, verdict in ((10, "held"), (88, "held"), (100, "sent")):
        _order(life, day)
        assert (_last(life, "decided")["verdict"], day) == (verdict, day)


def test_offers_without_a_gap_or_without_a_step_are_refused() -> None:
    raw = policy().model_dump(mode="json")
    bare = raw | {"offers": OFFERS, "caps": {"action_gap_hours": {}}}
    with pytest.raises(PolicyInvalid, match="special_offer = 2160"):
        parse_policy(bare, "it")
    two = {name: {"template": "x"} for name in "ab"}
    with pytest.raises(PolicyInvalid, match="is an experiment of the product"):
        policy({"experiments": {"offer_active_risk": {"template": "x", "variants": two}}})
    step = {**OFFER, "name": "gift"}
    books = {"critical_risk": {"steps": [step]}, "active_risk": {"steps": []}, "early_warning": {"steps": [step]}}
    found = {(f.place, f.what) for f in unreachable(policy({"offers": {"ten": OFFERS["ten"]}, "playbooks": books}))}
    place = ("playbooks", "early_warning", "steps", 0, "action")
    assert (place, "makes an offer, and there is none for early_warning") in found
    idle = policy({"offers": OFFERS, "playbooks": {s: {"steps": []} for s in books}, "campaigns": {}})
    campaigns = any(step.action == "special_offer" for c in idle.campaigns.values() for step in c.steps)
    told = {f.place for f in unreachable(idle)}
    assert (("offers", "ten", "stages") in told) is not campaigns


def test_what_an_offer_brings_is_held_against_sending_nothing() -> None:
    sent = [Trial("ten", 0.5, i % 10 < 4, True) for i in range(900)]
    sent += [Trial("twenty", 0.5, i % 10 < 2, True) for i in range(900)]
    held = [Trial("ten", 0.5, i % 10 < 2, False) for i in range(400)]
    lines = offers_in_words(shown(["ten", "twenty"], sent, held), {"ten": 10.0, "twenty": 20.0})
    assert lines[0].startswith("ten against nothing: +20.0 points")
    assert lines[1] == "  20.00 for each lead kept by it", "two take it for each that it keeps"
    assert lines[3] == "  not known to keep anybody"
    few = offers_in_words(shown(["ten"], sent, held[:5]), {"ten": 10.0})
    assert few == ["against nothing: not enough data (5 held-out leads of 20)"]
    assert all(len(line) <= 80 for line in (*lines, *few))


def test_which_offer_is_better_is_learned_and_published() -> None:
    """By all leads that came to the step, whether or not it went out to them in the end."""
    rules = policy({"offers": OFFERS, "caps": {"action_gap_hours": {"special_offer": 2160}}})
    log = Told()
    for i in range(200):
        log.came(f"L{i}", ("ten", "twenty")[i % 2], kept=i % 4 == 1, rule=("approval", "playbook")[i % 3 == 0])
    for i in range(30):
        log.came(f"H{i}", "ten", kept=False, rule="holdout")
    learned = learn(log.log, Habits([], {EVERYONE: rules}, NOW), {EVERYONE: rules})
    assert learned is not None
    seen = learned.tenants["acme"].experiments["offer_critical_risk"]
    assert ({name: arm.leads for name, arm in seen.arms.items()}, seen.held.leads) == ({"ten": 100, "twenty": 100}, 30)
    assert announcement(learned).weights["acme"].experiments["offer_critical_risk"]["twenty"] > 0.99
