"""Generated documents of the contracts: one JSON Schema per topic and one AsyncAPI document over all of them.

Everything comes from `schemas.topics.ALL`; the same classes give the same bytes. `leadkeeper docs` writes them, and
`leadkeeper docs --check` says what differs (used in CI).
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from schemas.dead_letters import HEADER_PREFIX, DeadLetter
from schemas.topics import ALL, EVENTS, Topic

FOLDER = Path("schemas/generated")
ASYNCAPI = "asyncapi.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
DESCRIPTION = (
    "Lead activity goes in on lead.events; assessments, decisions, intervention commands, escalations and outcomes "
    "come out. Delivery is at least once with derived ids: treat a repeated id as the same message. Ignore fields you "
    "do not know. Records are partitioned by murmur2 of the key; all topics have the same number of partitions."
)
ANYONE_MAY_WRITE = (EVENTS.name,)
"""Topics that strangers write to: their schema says what we accept. All others say what we write."""


def documents() -> dict[str, str]:
    """File name -> text of every generated document."""
    files = {f"{topic.name}.schema.json": _text(topic_schema(topic)) for topic in ALL if topic.schema is not None}
    return {**files, ASYNCAPI: _text(asyncapi())}


def write(root: Path) -> list[Path]:
    """Write all documents below the project's root, remove those of topics that are gone; returns what was written."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    wanted = documents()
    for stale in folder.glob("*.json"):
        if stale.name not in wanted:
            stale.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in sorted(wanted)]


def check(root: Path) -> list[str]:
    """What differs between the classes and the committed documents, with the remedy; empty when nothing does."""
    folder, wanted = root / FOLDER, documents()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    remedy = "run `leadkeeper docs`"
    missing = [f"{FOLDER / name} is missing: {remedy}" for name in sorted(wanted.keys() - there.keys())]
    extra = [f"{FOLDER / name} belongs to no topic: {remedy}" for name in sorted(there.keys() - wanted.keys())]
    stale = [
        f"{FOLDER / name} does not match the code: {remedy}"
        for name in sorted(wanted)
        if there.get(name, wanted[name]) != wanted[name]
    ]
    return missing + extra + stale


def topic_schema(topic: Topic) -> dict[str, Any]:
    """JSON Schema of a topic's messages (of a dead letter: of its headers, without their prefix)."""
    if topic.schema is None:
        raise ValueError(f"{topic.name} has no published schema: it is private and binary")
    mode: Literal["validation", "serialization"] = "validation" if topic.name in ANYONE_MAY_WRITE else "serialization"
    body = _open(topic.schema.json_schema(mode=mode))
    about = {"key": topic.key, "writer": topic.writer, "cleanup": topic.cleanup, "keep_days": topic.keep_days}
    head = {"$schema": DIALECT, "$id": f"{topic.name}.schema.json", "title": topic.name, "description": topic.meaning}
    return {**body, **head, "x-leadkeeper": about}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: a channel per topic, what may be sent where, and who writes."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for topic in ALL:
        shapes = _shapes(topic)
        names = {name: f"{topic.name}.{name}" for name in shapes}
        messages.update({names[name]: body for name, body in shapes.items()})
        channels[topic.name] = {
            "address": topic.name,
            "description": topic.meaning,
            "messages": {name: {"$ref": f"#/components/messages/{full}"} for name, full in names.items()},
            "bindings": {
                "kafka": {"topic": topic.name, "topicConfiguration": _settings(topic), "bindingVersion": "0.5.0"}
            },
            "x-key": topic.key,
            "x-writer": topic.writer,
            "x-keep-days": topic.keep_days,
        }
        # Said from our side: we receive what is sent to the inbox, and send all else.
        action = "receive" if topic.name in ANYONE_MAY_WRITE else "send"
        operations[f"{action}.{topic.name}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{topic.name}"},
            "summary": f"{topic.writer}: {topic.meaning}",
        }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Leadkeeper", "version": "1", "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _shapes(topic: Topic) -> dict[str, dict[str, Any]]:
    """Message name -> AsyncAPI message, one for each class that may stand on the topic."""
    key = {"kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": "0.5.0"}}
    if topic.schema is None:
        body = {"contentType": "application/octet-stream", "payload": {"type": "string", "format": "binary"}}
        return {"state": {"name": "state", "summary": topic.meaning, **body, "bindings": key}}
    if topic.name.endswith(".dlq"):
        original = {"contentType": "application/octet-stream", "payload": {"type": "string", "format": "binary"}}
        headers = {
            "type": "object",
            "properties": {HEADER_PREFIX + name: {"type": "string"} for name in DeadLetter.model_fields},
        }
        return {
            "dead_letter": {"name": "dead_letter", "summary": _first_line(DeadLetter), "headers": headers, **original}
        }
    schema = topic_schema(topic)
    file = f"./{topic.name}.schema.json"
    if "oneOf" not in schema:
        name = schema["properties"]["type"]["const"]
        return {name: {"name": name, "summary": topic.meaning, "payload": {"$ref": file}, "bindings": key}}
    shapes = {}
    for part in schema["oneOf"]:
        title = part["$ref"].rsplit("/", 1)[1]
        definition = schema["$defs"][title]
        name = definition["properties"]["type"]["const"]
        summary = definition.get("description", "").splitlines()[0]
        shapes[name] = {
            "name": name,
            "title": title,
            "summary": summary,
            "payload": {"$ref": f"{file}#/$defs/{title}"},
            "bindings": key,
        }
    return shapes


def _settings(topic: Topic) -> dict[str, Any]:
    """The topic's settings in the types that the Kafka binding asks for."""
    raw = topic.config()
    settings: dict[str, Any] = {"cleanup.policy": raw.pop("cleanup.policy").split(",")}
    return settings | {name: int(value) for name, value in raw.items() if name in {"retention.ms", "max.message.bytes"}}


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").splitlines()[0]


def _open(schema: Any) -> Any:
    """Without `additionalProperties: false`: we refuse unknown fields in what we write, readers have to ignore them."""
    if isinstance(schema, dict):
        return {k: _open(v) for k, v in schema.items() if not (k == "additionalProperties" and v is False)}
    return [_open(v) for v in schema] if isinstance(schema, list) else schema


def _text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
