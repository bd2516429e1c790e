"""One lead's story from the topics: what it did, what we thought and why, what we did or did not do, what came of it."""

from datetime import datetime
from typing import Any, NamedTuple

from agents.broker import probe
from agents.reading import read_json
from agents.topics import partitions_of
from agents.writer import partition_for
from schemas import topics
from schemas.errors import Unavailable

STORY = (
    topics.EVENTS,
    topics.ASSESSMENTS,
    topics.DECISIONS,
    *topics.INTERVENTIONS.values(),
    topics.ESCALATIONS,
    topics.OUTCOMES,
)
_ENVELOPE = {"v", "type", "id", "tenant", "lead", "at", "source", "key"}


class Entry(NamedTuple):
    """One line of the story. `kind` says which voice speaks: event, risk, decision, command, receipt, escalation, outcome."""

    at: datetime
    kind: str
    text: str
    rank: int


async def story(bootstrap: str, prefix: str, tenant: str, lead: str) -> list[Entry]:
    """Everything the topics still hold about a lead, in order of time.

    Raises:
        Unavailable: The topics do not exist.
    """
    key = f"{tenant}:{lead}".encode()
    inbox = prefix + topics.EVENTS.name
    await probe(bootstrap)
    partitions = (await partitions_of(bootstrap, [inbox]))[inbox]
    if not partitions:
        raise Unavailable(f"topic {inbox} does not exist: `leadkeeper topics create`")
    entries, seen = [], set()
    async for record, body in read_json(bootstrap, [prefix + t.name for t in STORY], partition_for(key, partitions)):
        if record.key != key or body.get("type") in (None, "tick"):
            continue
        identity = (record.topic, body.get("id"), body.get("type"), body.get("status"))
        if identity in seen:
            continue
        seen.add(identity)
        if (entry := tell(body)) is not None:
            entries.append(entry)
    return sorted(entries, key=lambda e: (e.at, e.rank))


def tell(body: dict[str, Any]) -> Entry | None:  # noqa: PLR0911 - a table of sentences
    """One message in a line; None for what no valid message says."""
    try:
        at = datetime.fromisoformat(body["at"])
        kind = body["type"]
    except (KeyError, TypeError, ValueError):
        return None
    match kind:
        case "lead_assessed":
            moved = (
                f"{body['previous_stage']} -> {body['stage']}"
                if body["stage"] != body["previous_stage"]
                else body["stage"]
            )
            why = "; ".join(r["text"] for r in body["reasons"][:3])
            return Entry(
                at, "risk", f"{100 * body['probability']:.0f} %  {moved}" + (f"  because {why}" if why else ""), 1
            )
        case "decided":
            what = " ".join(filter(None, (body["step"], body["channel"] and f"by {body['channel']}")))
            until = f" until {body['until'][:16].replace('T', ' ')}" if body["until"] else ""
            return Entry(at, "decision", f"{body['verdict']}{until}: {what} ({body['rule']}: {body['detail']})", 2)
        case "deliver_intervention":
            return Entry(at, "command", f"{body['channel']}: {body['template']}  [{body['id']}]", 3)
        case "withdraw_intervention":
            return Entry(at, "command", f"{body['channel']}: withdraw {body['id']}: {body['reason']}", 3)
        case "receipt":
            error = f": {body['error']}" if body.get("error") else ""
            return Entry(at, "receipt", f"{body['channel']} {body['status']}{error}", 4)
        case "lead_escalated":
            return Entry(at, "escalation", f"{body['status']}, to {body['target']}: {body['reason']}", 4)
        case "intervention_tracked":
            final = "final" if body["final"] else "so far"
            return Entry(
                at, "outcome", f"{body['channel']} {body['step']}: {body['status']}, {body['outcome']} ({final})", 5
            )
        case "episode_closed":
            return Entry(
                at, "outcome", f"episode {body['episode']} closed: {body['outcome']}, peak {body['peak_stage']}", 6
            )
        case _:
            details = ", ".join(f"{k} {v}" for k, v in body.items() if k not in _ENVELOPE and v is not None)
            return Entry(at, "event", kind.replace("_", " ") + (f" ({details})" if details else ""), 0)
