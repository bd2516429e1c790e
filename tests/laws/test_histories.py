"""The histories can reach what the laws are about: what they foretell comes to be. Else the laws would hold by themselves."""

from __future__ import annotations

import json
from collections import Counter

from hypothesis import given, settings

from schemas.topics import DECISIONS, ESCALATIONS, INTERVENTIONS
from streams.lead import Message
from tests.laws.histories import histories
from tests.laws.world import ENV
from tests.worlds import trace

COMMANDS = {t.name for t in INTERVENTIONS.values()}
NAMES = {
    "receipt": "intervention",
    "approve_intervention": "intervention",
    "acknowledge_escalation": "escalation",
    "snooze_escalation": "escalation",
    "resolve_escalation": "escalation",
}
"""What a message is about, by its type."""
SAME = settings(max_examples=20, database=None, deadline=None)


def met(log: list[Message]) -> Counter[str]:
    """How many messages of each type are about something that was sent, asked for or opened before, in one history."""
    there, found = set[str](), Counter[str]()
    for m, outputs in trace(log, ENV):
        body = _body(m.value)
        found[body.get("type", "")] += body.get(NAMES.get(body.get("type", ""), ""), "") in there
        for out in outputs:
            told = _body(out.value)
            if out.topic in COMMANDS or out.topic == ESCALATIONS.name:
                there.add(told.get("id", ""))
            elif out.topic == DECISIONS.name and told["rule"] == "approval":
                there.add(told["intervention"])
            if told.get("type") == "deliver_intervention":
                found["version " + told["policy_version"]] += 1
    return found


def _body(value: bytes | None) -> dict[str, str]:
    try:
        body = json.loads(value or b"")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def test_receipts_agreements_and_answers_arrive_at_what_there_is() -> None:
    """In a good share of histories; and both versions of the policy send."""
    reached: Counter[str] = Counter()

    @SAME
    @given(log=histories())
    def tell(log: list[Message]) -> None:
        reached.update(["histories", *(name for name, n in met(log).items() if n)])

    tell()
    least = {"receipt": 0.6, "approve_intervention": 0.05, "acknowledge_escalation": 0.2, "resolve_escalation": 0.2}
    least |= {"snooze_escalation": 0.1, "version 1": 0.2, "version 2": 0.3}
    assert {name: reached[name] for name, share in least.items() if reached[name] < share * reached["histories"]} == {}
