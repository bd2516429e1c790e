"""Every example goes through every reader of its topic; no shape without example, no example without shape."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from schemas.dead_letters import DeadLetter
from schemas.decisions import Verdict
from schemas.events import event_classes
from schemas.ledger import LedgerState
from schemas.topics import ALL, DECISIONS, ESCALATIONS, EVENTS, INTERVENTIONS, LEDGER, POLICIES
from streams.deliver import TERMINAL, next_step
from streams.env import EVERYONE, Env
from streams.lead import Partition, fold
from streams.policy import parse_policy
from streams.risk import RuleScorer
from tests.worlds import ROOT, message, policy

EXAMPLES = sorted((ROOT / "schemas" / "examples").rglob("*.json"))
ENV = Env(
    {version: {EVERYONE: policy()} for version in ("", "2")}, dict.fromkeys(("", "cdnow-2026-03-01"), RuleScorer())
)

BY_NAME = {topic.name: topic for topic in ALL}


def _shapes_of(adapter: TypeAdapter[Any]) -> set[str]:
    """The `type` tags that a topic's reader knows."""
    schema = adapter.json_schema()
    mapping = schema.get("discriminator", {}).get("mapping")
    return set(mapping) if mapping else {schema["properties"]["type"]["const"]}


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _examples(topic: str) -> list[dict[str, Any]]:
    return [json.loads(p.read_text()) for p in EXAMPLES if p.parent.name == topic]


@pytest.mark.parametrize("path", EXAMPLES, ids=_name)
def test_every_example_is_read_by_its_topic(path: Path) -> None:
    """And written back it says the same: nothing in it is ignored."""
    topic = BY_NAME[path.parent.name]
    assert topic.schema is not None
    told = topic.schema.validate_json(path.read_bytes())
    exclude_unset = topic is EVENTS
    assert topic.schema.validate_json(topic.schema.dump_json(told)) == told
    assert set(json.loads(path.read_text())) == set(told.model_dump(exclude_unset=exclude_unset))


@pytest.mark.parametrize("path", [p for p in EXAMPLES if p.parent.name == EVENTS.name], ids=_name)
def test_every_event_example_is_folded(path: Path) -> None:
    """The fold takes it, alone and after the lead's profile."""
    body = json.loads(path.read_text())
    at = datetime.fromisoformat(body["at"])
    partition = Partition(body.get("partition", 0))
    profile = json.loads((path.parent / "profile_updated.json").read_text())
    log = [message(0, profile, datetime.fromisoformat(profile["at"])), message(1, {**body, "id": "other"}, at)]
    assert fold(partition, log, ENV).rejected == []
    assert fold(Partition(body.get("partition", 0)), [message(0, body, at)], ENV).rejected == []


def test_no_shape_is_without_example_and_no_example_without_shape() -> None:
    """By topic and type tag; dead letters share one shape, shown for events and for commands."""
    shown = {(p.parent.name, json.loads(p.read_text()).get("type", "dead_letter")) for p in EXAMPLES}
    wanted = {
        (t.name, s) for t in ALL if t.schema is not None and not t.name.endswith(".dlq") for s in _shapes_of(t.schema)
    }
    letters = {(name, "dead_letter") for name in ("lead.events.dlq", "interventions.email.dlq")}
    assert shown == wanted | letters
    assert {s for t, s in shown if t == EVENTS.name} == set(event_classes())
    assert len(event_classes()) == 41


@pytest.mark.parametrize(
    ("topic", "field", "values"),
    [
        (DECISIONS.name, "verdict", set(Verdict)),
        (ESCALATIONS.name, "status", {"open", "acknowledged", "resolved"}),
        (LEDGER.name, "state", set(LedgerState)),
    ],
)
def test_each_state_of_a_shape_has_an_example(topic: str, field: str, values: set[str]) -> None:
    """Verdicts, escalations and ledger entries look different in each state."""
    assert {e[field] for e in _examples(topic)} == values


@pytest.mark.parametrize("topic", sorted(t.name for t in INTERVENTIONS.values()))
def test_a_courier_knows_what_to_do_with_each_command(topic: str) -> None:
    """A delivery is claimed, and a withdrawal of it ends it."""
    reader = BY_NAME[topic].schema
    assert reader is not None
    deliver, withdraw = (reader.validate_python(e) for e in sorted(_examples(topic), key=lambda e: str(e["type"])))
    assert deliver.id == withdraw.id
    claimed = next_step(None, deliver, deliver.at)
    assert claimed.entry.state in {LedgerState.CLAIMED, LedgerState.RETRY_AT}
    assert next_step(None, withdraw, withdraw.at).entry.state in TERMINAL


def test_a_dead_letter_goes_through_headers_and_back() -> None:
    """The example is what a reader of the headers gets."""
    for name in ("lead.events.dlq", "interventions.email.dlq"):
        (example,) = _examples(name)
        letter = DeadLetter.model_validate(example)
        assert DeadLetter.from_headers(letter.headers()) == letter


def test_the_published_policy_is_a_policy() -> None:
    """The text on `policies` is what `parse_policy` takes."""
    (example,) = [e for e in _examples(POLICIES.name) if e["type"] == "policy_published"]
    assert parse_policy(example["policy"], "example").version == example["version"]


def test_examples_name_nobody_real() -> None:
    """Reserved domains and numbers only."""
    text = "\n".join(p.read_text() for p in EXAMPLES)
    addresses = {word.strip('",<>') for word in text.split() if "@" in word and "." in word}
    assert addresses
    assert all(a.rsplit("@", 1)[1].endswith(("example.com", ".example")) for a in addresses)
