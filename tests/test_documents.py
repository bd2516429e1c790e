"""The generated documents say what the code says."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from agents import docs
from schemas.topics import ALL, EVENTS, STATE
from tests.bad_input import good
from tests.worlds import ROOT

EXAMPLES = sorted((ROOT / "schemas" / "examples").rglob("*.json"))


@cache
def _schema(topic: str) -> Draft202012Validator:
    schema = json.loads((ROOT / docs.FOLDER / f"{topic}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_committed_documents_are_up_to_date() -> None:
    """If not: run `leadkeeper docs`."""
    assert docs.check(ROOT) == []


def test_the_check_sees_what_is_missing_stale_or_left_over(tmp_path: Path) -> None:
    """Each with the file's name and the remedy; writing mends all three."""
    docs.write(tmp_path)
    folder = tmp_path / docs.FOLDER
    (folder / "escalations.schema.json").unlink()
    (folder / "policies.schema.json").write_text("{}")
    (folder / "gone.schema.json").write_text("{}")
    problems = docs.check(tmp_path)
    assert [p.split(" ")[0].rsplit("/", 1)[1] for p in problems] == [
        "escalations.schema.json",
        "gone.schema.json",
        "policies.schema.json",
    ]
    assert all("leadkeeper docs" in p for p in problems)
    docs.write(tmp_path)
    assert docs.check(tmp_path) == []


def test_documents_are_the_same_each_time() -> None:
    """Byte for byte."""
    assert docs.documents() == docs.documents()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_examples_fit_the_published_schema(path: Path) -> None:
    """What a stranger's validator says of them."""
    _schema(path.parent.name).validate(json.loads(path.read_text()))


@pytest.mark.parametrize(
    "wrong",
    [{"item": ...}, {"id": "a b"}, {"type": "nope"}, {"v": 2}, {"item": 7}],
    ids=["missing", "pattern", "type", "version", "number"],
)
def test_the_published_schema_refuses_what_the_inbox_refuses(wrong: dict[str, Any]) -> None:
    """A producer can check before it sends."""
    _schema(EVENTS.name).validate(good())
    with pytest.raises(ValidationError):
        _schema(EVENTS.name).validate(good(**wrong))


def test_unknown_fields_are_no_breach_of_a_published_schema() -> None:
    """Readers have to ignore them, so that a field can be added."""
    for path in {p.parent.name: p for p in EXAMPLES}.values():
        _schema(path.parent.name).validate({**json.loads(path.read_text()), "added_later": 1})


def test_asyncapi_names_every_topic_with_writer_key_and_retention() -> None:
    """And its references lead somewhere."""
    document = json.loads((ROOT / docs.FOLDER / docs.ASYNCAPI).read_text())
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {t.name for t in ALL}
    for topic in ALL:
        channel = document["channels"][topic.name]
        assert (channel["address"], channel["x-key"], channel["x-writer"], channel["x-keep-days"]) == (
            topic.name, topic.key, topic.writer, topic.keep_days,
        )  # fmt: skip
        settings = channel["bindings"]["kafka"]["topicConfiguration"]
        assert settings["cleanup.policy"] == topic.cleanup.split(",")
        assert settings.get("retention.ms") == (None if topic.keep_days is None else topic.keep_days * 86_400_000)
        assert channel["messages"]
    assert sum(o["action"] == "receive" for o in document["operations"].values()) == 1
    for reference in _references(document):
        file, _, path = reference.partition("#")
        target = document if not file else json.loads((ROOT / docs.FOLDER / file).read_text())
        for part in path.strip("/").split("/") if path else ():
            target = target[part]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [r for v in node.values() for r in _references(v)]
    return [r for v in node for r in _references(v)] if isinstance(node, list) else []


def test_private_state_has_no_published_schema() -> None:
    """Nobody may build on it."""
    with pytest.raises(ValueError, match="private"):
        docs.topic_schema(STATE)
