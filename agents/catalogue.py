"""What may be sent to `lead.events`, for people who write producers: each type with its fields, from the schemas and examples."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

from schemas.events import Activity, Control, Order, event_classes
from schemas.topics import EVENTS

EXAMPLES = Path(__file__).resolve().parents[1] / "schemas" / "examples" / EVENTS.name
COMMON = ("v", "type", "id", "tenant", "lead", "at", "source")
"""Fields of every event about a lead."""
WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
}
FORMATS = {"date-time": "time with an offset (ISO 8601)", "email": "e-mail address"}


class Field(NamedTuple):
    """A field of an event. `example`: as in the example of its type, as JSON; empty: that has none."""

    name: str
    kind: str
    required: bool
    about: str
    example: str


class Kind(NamedTuple):
    """A type of event."""

    name: str
    group: str
    about: str
    fields: tuple[Field, ...]
    example: Mapping[str, Any]


def catalogue() -> dict[str, Kind]:
    """Every type by its name, in the order of the schemas."""
    return {name: _kind(name, model) for name, model in event_classes().items()}


def _kind(name: str, model: Any) -> Kind:
    group = "what leads do"
    if model in get_args(Order):
        group = "what people order"
    elif model in get_args(Control):
        group = "what the product and operators tell a partition, or of an address"
    elif model not in get_args(Activity):
        group = "what is known of leads and messages"
    schema = model.model_json_schema()
    example = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    required, defs = set(schema.get("required", ())), schema.get("$defs", {})
    fields = tuple(
        Field(
            field, _words(what, defs), field in required, what.get("description", ""),
            json.dumps(example[field], ensure_ascii=False) if field in example else "",
        )
        for field, what in schema["properties"].items()
    )  # fmt: skip
    return Kind(name, group, " ".join((model.__doc__ or "").split("\n\n")[0].split()), fields, example)


def _words(what: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """What values it takes, in words."""
    if "$ref" in what:
        return _words(defs[what["$ref"].rpartition("/")[2]], defs)
    if ways := [way for way in what.get("anyOf", ()) if way.get("type") != "null"]:
        return " or ".join(_words(way, defs) for way in ways)
    if "const" in what:
        return json.dumps(what["const"])
    if "enum" in what:
        return ", ".join(map(str, what["enum"]))
    if what.get("type") == "array":
        return f"list of {_words(what['items'], defs)}"
    return FORMATS.get(what.get("format", "")) or _bounded(what)


def _bounded(what: Mapping[str, Any]) -> str:
    word = WORDS.get(str(what.get("type")), "any value")
    low, high = what.get("minimum"), what.get("maximum")
    if low is not None and high is not None:
        return f"{word}, {low:,} to {high:,}"
    if low is not None:
        return f"{word}, {low:,} or more"
    if longest := what.get("maxLength"):
        return f"{word}, at most {longest:,} letters"
    if what.get("type") == "object":
        return f"{word} with {', '.join(what['properties'])}"
    return f"{word} like {what['pattern']}" if "pattern" in what else word
