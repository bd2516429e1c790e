"""What needs money or a person's yes, by reading decisions and log beside each other. Tenant `busy` has all of it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given

from schemas.topics import DECISIONS, ESCALATIONS, INTERVENTIONS
from streams.lead import Message
from tests.laws.histories import BUSY, ENV, KNOWN, LEADS, MODEST, Step, build, histories
from tests.worlds import trace

COMMANDS = {t.name for t in INTERVENTIONS.values()}
BUDGET = BUSY["budget"]["per_day_cents"]
MOST_OPEN = BUSY["escalation"]["most_open"]
GAP = timedelta(hours=BUSY["caps"]["action_gap_hours"]["market_update"])


def told(log: list[Message]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each message of the log that is one, and what it led to for the tenant."""
    pairs = []
    for m, outputs in trace(log, ENV):
        try:
            body = json.loads(m.value or b"")
        except ValueError:
            continue
        said = [{"topic": o.topic, **json.loads(o.value or b"")} for o in outputs if not o.headers]
        pairs.append((body if isinstance(body, dict) else {}, [s for s in said if s["tenant"] == "busy"]))
    return pairs


@dataclass
class Kept:
    """What an honest reader of the log knows, and how often the budget put a step off."""

    agreed: set[str] = field(default_factory=set)
    spent: dict[Any, dict[str, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    acted: dict[str, datetime] = field(default_factory=dict)
    short: int = 0

    def hear(self, body: dict[str, Any]) -> None:
        """A message of the log."""
        if body.get("tenant") != "busy":
            return
        if body["type"] == "approve_intervention" and body["approved"]:
            self.agreed.add(body["intervention"])
        if body["type"] == "erase_lead":
            self.acted.pop(body["lead"], None)
            for day in self.spent.values():
                day.pop(body["lead"], None)

    def decided(self, s: dict[str, Any]) -> None:
        """Never more than the partition's share of the day."""
        self.short += s["rule"] == "budget"
        if s["verdict"] == "sent":
            day = self.spent[datetime.fromisoformat(s["at"]).astimezone(ZoneInfo("America/New_York")).date()]
            day[s["lead"]] += s["rank"]["cost_cents"]
            assert sum(day.values()) <= BUDGET + 1e-9

    def commanded(self, s: dict[str, Any]) -> None:
        """An offer goes out only after somebody agreed to this very one; market updates keep their gap."""
        at = datetime.fromisoformat(s["at"])
        assert s["action"] != "special_offer" or s["id"] in self.agreed
        if s["action"] == "market_update":
            assert s["lead"] not in self.acted or at - self.acted[s["lead"]] >= GAP
            self.acted[s["lead"]] = at


def check(log: list[Message]) -> int:
    """The laws; returns how many steps the budget put off or held."""
    kept = Kept()
    for body, said in told(log):
        kept.hear(body)
        for s in said:
            if s["topic"] == DECISIONS.name:
                kept.decided(s)
            elif s["topic"] in COMMANDS and s["type"] == "deliver_intervention":
                kept.commanded(s)
    return kept.short


@given(log=histories())
def test_money_gaps_and_a_persons_yes_are_kept(log: list[Message]) -> None:
    """Over generated histories in which playbooks, operators' playbooks and actions of their own compete for a lead."""
    check(log)


def test_the_histories_can_reach_the_budget() -> None:
    """Otherwise the law above would hold because nothing was ever dear."""
    steps: list[Step] = [(kind, who, 0) for who in (3, 5) for kind in ("profile", "activity", "trigger", "own_actions")]
    waits: list[Step] = [("approve", 3, 1), ("approve", 5, 1), *[("wait", 0, 0)] * 5]
    assert check(build([*steps, *waits])) > 0
    assert LEADS[3][0] == LEADS[5][0] == "busy"


@MODEST
@given(log=histories())
def test_no_rule_gives_a_person_more_escalations_than_the_policy_allows(log: list[Message]) -> None:
    """One at a time here, of all leads of the partition: asked, snoozed or taken on. Operators may go over it."""
    assert escalated_by_rule(log) >= 0


def escalated_by_rule(log: list[Message]) -> int:
    """The law; returns how many escalations were held since everybody had enough."""
    has: dict[str, str] = {}
    held = 0
    for _, said in told(log):
        by_rule = {s["escalation"] for s in said if s["topic"] == DECISIONS.name and s["rule"] == "playbook"}
        held += sum(s["topic"] == DECISIONS.name and s["rule"] == "escalation_load" for s in said)
        for s in said:
            if s["topic"] != ESCALATIONS.name:
                continue
            if s["status"] == "open" and s["id"] in by_rule:
                assert list(has.values()).count(s["target"]) < MOST_OPEN
            if s["status"] in {"unanswered", "resolved"}:
                has.pop(s["id"], None)
            elif s["status"] != "repeated" or s["id"] in has:
                has[s["id"]] = s["target"]
    return held


def test_the_histories_can_give_everybody_enough() -> None:
    """Otherwise the law above would hold because nobody was ever asked twice."""
    silent: list[Step] = [*KNOWN, *[("activity", who, 1) for who in (3, 5, 3, 5)]]
    taken: list[Step] = [("escalate", 1, 0), ("acknowledge", 1, 0), *[("long_wait", 0, 30)] * 3]
    assert escalated_by_rule(build([*silent, *taken])) > 0


@MODEST
@given(log=histories())
def test_an_escalation_is_passed_on_in_order_and_ends_once(log: list[Message]) -> None:
    """Nobody is asked twice for the same one; after it is resolved nothing more is said of it; nothing after a snooze begins
    but its end or a person's word."""
    seen: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for _, said in told(log):
        for s in said:
            if s["topic"] == ESCALATIONS.name:
                seen[s["id"]].append(s)
    for one in seen.values():
        statuses = [s["status"] for s in one]
        assert statuses[0] == "open"
        assert statuses.count("open") == 1
        assert statuses.count("unanswered") <= 1 + statuses.count("snoozed")
        assert "resolved" not in statuses[:-1]
        assert all(len(set(s["asked"])) == len(s["asked"]) for s in one)
        assert all(a["asked"] == b["asked"][: len(a["asked"])] for a, b in pairwise(one))
        for before, after in pairwise(one):
            assert before["status"] != "snoozed" or after["status"] not in {"passed_on", "unanswered"}
