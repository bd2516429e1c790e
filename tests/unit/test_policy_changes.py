"""Another policy comes into force while steps are under way: nothing goes out by what it no longer says, and nothing twice."""

from __future__ import annotations

import copy
import tomllib
from datetime import timedelta
from typing import Any

import numpy as np

from streams.env import EVERYONE, Env
from streams.features import Floats
from streams.policy import Policy, parse_policy
from streams.risk import RuleScorer, Scorer
from tests.worlds import ROOT, START, lead_named, message, outputs, policy

Told = list[dict[str, Any]]
REAL_ESTATE = tomllib.loads((ROOT / "deploy/policies/real_estate.toml").read_text())
FIRST = parse_policy(REAL_ESTATE, "1")
LEAD = lead_named("x", tenant="acme", out=False)
ORDER = {"type": "trigger_intervention", "stage": "active_risk", "by": "kim"}


class Fixed(RuleScorer):
    """Tells the same risk of everybody."""

    def __init__(self, risk: float) -> None:
        super().__init__()
        self.risk, self.version = risk, f"fixed-{risk}"

    def score(self, x: Floats) -> Floats:
        """It."""
        return np.full(len(x), self.risk)


def _live(first: Policy, second: Policy, given: list[tuple[float, dict[str, Any]]], switch: float, days: int) -> Told:
    """What follows where the second policy takes over after `switch` hours; a tick comes each hour."""
    scorers: dict[str, Scorer] = {"": RuleScorer(), "low": Fixed(0.4), "high": Fixed(0.7)}
    env = Env({"": {EVERYONE: first}, "2": {EVERYONE: second}}, scorers)
    who = {"tenant": "acme", "lead": LEAD}
    told: list[tuple[float, dict[str, Any]]] = [
        (0.0, {"type": "profile_updated", "email": "a@example.com", "name": "Ann", **who})
    ]
    told += [(hours, body if "partition" in body else {**who, **body}) for hours, body in given]
    told += [(switch, {"type": "activate", "partition": 0, "policy": "2"})]
    told += [(float(hour), {"type": "tick", "partition": 0}) for hour in range(1, 24 * days)]
    log = []
    for i, (hours, body) in enumerate(sorted(told, key=lambda each: each[0])):
        at = START + timedelta(hours=hours)
        log.append(message(i, {"at": at.isoformat(), "id": f"m{i}", **body}, at))
    return outputs(log, env)


def _second(**changes: Any) -> Policy:
    return parse_policy(copy.deepcopy(REAL_ESTATE) | {"version": "2"} | changes, "2")


def _without_crm() -> Policy:
    """The same policy for a tenant without a CRM: calls are told to the agent instead."""
    raw = copy.deepcopy(REAL_ESTATE) | {"version": "2"}
    raw["channels"].pop("crm_task")
    raw["escalation"].pop("task_template", None)
    for book in (*raw["playbooks"].values(), *raw.pop("campaigns", {}).values()):
        for step in book["steps"]:
            if step["channel"] == "crm_task":
                step["channel"], step["template"] = "agent_alert", step["template"].replace("crm_task", "agent_alert")
            step["fallback"] = [c for c in step.get("fallback", []) if c != "crm_task"]
    return parse_policy(raw, "2")


def test_a_step_planned_by_a_channel_that_is_gone_is_held_and_says_so() -> None:
    """The second call of the agent waits for its gap when the tenant's CRM is taken out of the policy."""
    twice = [(0.2, ORDER), (0.4, ORDER)]
    same = _live(FIRST, _second(), twice, 0.6, 2)
    assert [o["verdict"] for o in same if o["type"] == "decided" and o["step"] == "call_task"] == [
        "sent",
        "deferred",
        "sent",
    ]
    gone = _live(FIRST, _without_crm(), twice, 0.6, 2)
    mine = [o for o in gone if o["type"] == "decided" and o["step"] == "call_task"]
    assert [(o["verdict"], o["policy_version"]) for o in mine] == [("sent", "1"), ("deferred", "1"), ("held", "2")]
    assert mine[-1]["detail"] == "the policy no longer has this step"


def test_a_policy_of_another_name_does_nothing_again_in_the_same_episode() -> None:
    """Who falls back and rises again within an episode has had the stage's steps, whatever the policy is called by now."""

    def judged(hours: float, model: str) -> tuple[float, dict[str, Any]]:
        return hours, {"type": "activate", "partition": 0, "model": model, "within_minutes": 0}

    view = (0.1, {"type": "item_viewed", "item": "x"})
    given = [view, judged(0.2, "low"), judged(80.5, "high"), judged(280.5, "low"), judged(372.5, "high")]
    sent = []
    for name in (policy().name, "renamed"):
        told = _live(policy(), policy({"name": name, "version": "2"}), given, 360.5, 20)
        rises = [o["stage"] for o in told if o["type"] == "lead_assessed" and o["stage"] != o["previous_stage"]]
        assert rises == ["early_warning", "active_risk", "early_warning", "active_risk"]
        sent.append([(o["id"], o["at"], o["step"]) for o in told if o["type"] == "deliver_intervention"])
    assert sent[0] == sent[1]
    steps = [step for _, _, step in sent[0]]
    assert len(steps) == len(set(steps)) > 3


def test_a_yes_for_a_step_asked_under_another_name_still_counts() -> None:
    asking = _second(name="renamed")
    given = [
        (0.2, {**ORDER, "actions": [{"action": "special_offer", "channel": "email", "template": "active_risk.email"}]})
    ]
    held = _live(FIRST, asking, given, 1.5, 3)
    (asked,) = {o["intervention"] for o in held if o["type"] == "decided" and o["rule"] == "approval"} or {None}
    assert asked is not None, "the pack asks before it makes an offer"
    yes = (20.0, {"type": "approve_intervention", "intervention": asked, "approved": True, "by": "lee"})
    told = _live(FIRST, asking, [*given, yes], 1.5, 3)
    assert [o["id"] for o in told if o["type"] == "deliver_intervention"] == [asked]
