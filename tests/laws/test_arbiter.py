"""What needs money, rest or a person's yes, and whom escalations burden: by reading decisions and log beside each other."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given

from schemas.topics import DECISIONS, ESCALATIONS
from streams.lead import Message
from tests.laws.histories import KNOWN, Step, build, histories
from tests.laws.reader import Pairs, body_of, deliveries
from tests.laws.world import BUSY, ENV, LEADS, POLICIES, rules_of
from tests.worlds import trace

BUDGET = BUSY["budget"]["per_day_cents"]
REACH = BUSY["approvals"]["blast_radius"]
MOST_OPEN = BUSY["escalation"]["most_open"]


@given(log=histories())
def test_money_rest_a_persons_yes_and_a_persons_load(log: list[Message]) -> None:
    """Over generated histories in which playbooks, operators' playbooks and actions of their own compete for a lead."""
    pairs = trace(log, ENV)
    never_more_than_the_budget(pairs)
    never_to_more_leads_unasked("busy", REACH["leads"], timedelta(hours=REACH["within_hours"]), pairs)
    said = everything(pairs)
    decided = {d["intervention"]: d for d in said if d["topic"] == DECISIONS.name and d["verdict"] == "sent"}
    for (tenant, _), command, known in deliveries(pairs):
        known.was_asked_in_time(command, decided[command["id"]], POLICIES)
        known.rested_since_the_last_of_its_kind(command, rules_of(POLICIES, tenant, command["policy_version"]))
    never_more_than_a_person_can_bear(pairs, "busy", MOST_OPEN)
    escalations_are_passed_on_in_order_and_end_once(said)


def everything(pairs: Pairs) -> list[dict[str, Any]]:
    """All that was published, in order."""
    return [{"topic": o.topic, **json.loads(o.value or b"")} for _, outs in pairs for o in outs if not o.headers]


def never_more_than_the_budget(pairs: Pairs) -> int:
    """By the day on the tenant's clock; who was erased is forgotten with what was spent. How often a step was put off."""
    spent: defaultdict[date, Counter[str]] = defaultdict(Counter)
    short = 0
    for m, outs in pairs:
        for told in everything([(m, outs)]):
            if told["topic"] != DECISIONS.name or told["tenant"] != "busy":
                continue
            short += told["rule"] == "budget"
            if told["verdict"] == "sent":
                day = spent[datetime.fromisoformat(told["at"]).astimezone(ZoneInfo("America/New_York")).date()]
                day[told["lead"]] += told["rank"]["cost_cents"]
                assert day.total() <= BUDGET + 1e-9
        if (body := body_of(m)).get("type") == "erase_lead" and body["tenant"] == "busy":
            for day in spent.values():
                day.pop(body["lead"], None)
    return short


def never_to_more_leads_unasked(tenant: str, leads: int, within: timedelta, pairs: Pairs) -> None:
    """Without a yes no action goes out while it came up, within the window, for as many other leads as the policy says.

    A lead counts from its first time within the window. Who was erased is forgotten.
    """
    agreed = {command["id"] for _, command, known in deliveries(pairs) if command["id"] in known.agreed}
    came_up: defaultdict[str, dict[str, datetime]] = defaultdict(dict)
    for m, outs in pairs:
        for told in everything([(m, outs)]):
            at, out = datetime.fromisoformat(told["at"]), told["type"] == "deliver_intervention"
            if told["tenant"] != tenant or not (out or told.get("rule") == "blast_radius"):
                continue
            leads_before = came_up[told["action"] if out else told["detail"].split()[0]]
            if out and told["id"] not in agreed:
                assert sum(at - before < within for who, before in leads_before.items() if who != told["lead"]) < leads
            if at - leads_before.get(told["lead"], at - within) >= within:
                leads_before[told["lead"]] = at
        if (body := body_of(m)).get("type") == "erase_lead" and body["tenant"] == tenant:
            for leads_before in came_up.values():
                leads_before.pop(body["lead"], None)


def test_the_histories_can_reach_the_budget() -> None:
    """Otherwise the law above would hold because nothing was ever dear."""
    steps: list[Step] = [(kind, who, 0) for who in (3, 5) for kind in ("profile", "activity", "trigger", "own_actions")]
    waits: list[Step] = [("approve", 3, 1), ("approve", 5, 1), *[("wait", 0, 0)] * 5]
    assert never_more_than_the_budget(trace(build([*steps, *waits]), ENV)) > 0
    assert LEADS[3][0] == LEADS[5][0] == "busy"


def never_more_than_a_person_can_bear(pairs: Pairs, tenant: str, most_open: int | None) -> int:
    """No rule gives anybody more, of all leads of the partition: asked, snoozed or taken on. Operators may go over it.

    Returns how many escalations were held since everybody had enough.
    """
    has: dict[str, str] = {}
    held = 0
    for m, outs in pairs:
        said = [told for told in everything([(m, outs)]) if told["tenant"] == tenant]
        by_rule = {s["escalation"] for s in said if s["topic"] == DECISIONS.name and s["rule"] == "playbook"}
        held += sum(s["topic"] == DECISIONS.name and s["rule"] == "escalation_load" for s in said)
        for s in said:
            if s["topic"] != ESCALATIONS.name:
                continue
            if s["status"] == "open" and s["id"] in by_rule and most_open is not None:
                assert list(has.values()).count(s["target"]) < most_open
            if s["status"] in {"unanswered", "resolved"}:
                has.pop(s["id"], None)
            elif s["status"] != "repeated" or s["id"] in has:
                has[s["id"]] = s["target"]
    return held


def escalations_are_passed_on_in_order_and_end_once(said: list[dict[str, Any]]) -> None:
    """Nobody is asked twice for the same one; after it is resolved nothing more is said of it; nothing after a snooze begins
    but its end or a person's word."""
    seen: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for told in said:
        if told["topic"] == ESCALATIONS.name:
            seen[told["id"]].append(told)
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


def test_the_histories_can_give_everybody_enough() -> None:
    """Otherwise the law above would hold because nobody was ever asked twice."""
    silent: list[Step] = [*KNOWN, *[("activity", who, 1) for who in (3, 5, 3, 5)]]
    taken: list[Step] = [("escalate", 1, 0), ("acknowledge", 1, 0), *[("long_wait", 0, 30)] * 3]
    assert never_more_than_a_person_can_bear(trace(build([*silent, *taken]), ENV), "busy", MOST_OPEN) > 0
