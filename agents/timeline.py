"""One lead's story from the topics: what it did, what we thought and why, what we did or did not do, what came of it.

A record of the inbox that was dead-lettered did not happen: it is told as rejected, with the reason.
"""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from aiokafka import ConsumerRecord

from agents import dead_letters
from agents.broker import probe
from agents.reading import read_topics
from agents.topics import partitions_of
from agents.writer import partition_for
from schemas import topics
from schemas.dead_letters import DeadLetter
from schemas.errors import Unavailable
from schemas.units import Level, Stage
from streams.journey_words import progress_in_words

STORY = (
    topics.EVENTS,
    topics.ASSESSMENTS,
    topics.DECISIONS,
    *topics.INTERVENTIONS.values(),
    topics.ESCALATIONS,
    topics.OUTCOMES,
)
NO_STAGE = "a high risk without a stage: the lead is closed, gone for good, or was active too recently to be messaged"
_ENVELOPE = {"v", "type", "id", "tenant", "lead", "at", "source", "key"}


class Entry(NamedTuple):
    """One line of the story.

    `kind` says which voice speaks: event, rejected, risk, decision, command, receipt, escalation, outcome, journey.
    """

    at: datetime
    kind: str
    text: str
    rank: int
    note: str = ""
    """What has to be said once below a story with such a line."""
    inputs: str = ""
    """What a decision rested on."""


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
    refused = await _refused(bootstrap, prefix, key)
    entries = [rejected(letter, record) for letter, record in refused.values()]
    seen = set()
    async for record in read_topics(bootstrap, [prefix + t.name for t in STORY], partition_for(key, partitions)):
        if record.key != key or (record.topic == inbox and (record.partition, record.offset) in refused):
            continue
        body = _object(record.value)
        if body.get("type") in (None, "tick"):
            continue
        identity = (record.topic, *(str(body.get(name)) for name in ("id", "type", "status", "at")))
        if identity in seen:
            continue
        seen.add(identity)
        if (entry := tell(body)) is not None:
            entries.append(entry)
    return sorted(entries, key=lambda e: (e.at, e.rank))


async def _refused(bootstrap: str, prefix: str, key: bytes) -> dict[tuple[int, int], dead_letters.Found]:
    """Dead letters with this key, by partition and offset in the inbox."""
    inbox = prefix + topics.EVENTS.name

    def ours(found: dead_letters.Found) -> bool:
        return found.record.key == key and dead_letters.origin(found.letter, prefix) == inbox

    return {
        (f.letter.partition, f.letter.offset): f
        async for f in dead_letters.find(bootstrap, prefix, ours, [topics.EVENTS_DLQ])
    }


def _object(value: bytes | None) -> dict[str, Any]:
    """A JSON object; empty for everything else."""
    try:
        body = json.loads(value) if value else None
    except (ValueError, RecursionError):
        body = None
    return body if isinstance(body, dict) else {}


def rejected(letter: DeadLetter, record: ConsumerRecord) -> Entry:
    """A record of the inbox that was dead-lettered, at the time it names, else at that of the record."""
    body = _object(record.value)
    at = datetime.fromtimestamp(max(letter.timestamp_ms, 0) / 1000, UTC)
    try:
        told = datetime.fromisoformat(body["at"])
        at = told if told.tzinfo else at
    except (KeyError, TypeError, ValueError):
        pass
    what = str(body.get("type", "record"))[:64].replace("_", " ")
    return Entry(
        at, "rejected", f"{what}: {letter.reason}: {letter.field}: {letter.message} (dead-lettered: {letter.id})", 0
    )


def tell(body: dict[str, Any]) -> Entry | None:
    """One message in a line; None for what no valid message says."""
    try:
        return _told(datetime.fromisoformat(body["at"]), body["type"], body)
    except (KeyError, TypeError, ValueError):
        return None


def _told(at: datetime, kind: str, body: dict[str, Any]) -> Entry:  # noqa: C901, PLR0911 - a table of sentences
    match kind:
        case "lead_assessed":
            moved = (
                f"{body['previous_stage']} -> {body['stage']}"
                if body["stage"] != body["previous_stage"]
                else body["stage"]
            )
            why = "; ".join(r["text"] for r in body["reasons"][:3])
            told = f"{100 * body['probability']:.0f} %  {moved}" + (f"  because {why}" if why else "")
            if shift := (body.get("insight") or {}).get("shift"):
                told += f" ({shift['change']:+.2f} since {shift['since'][:10]})"
            unstaged = body["stage"] == Stage.NONE and body["level"] != Level.LOW
            return Entry(at, "risk", told, 1, NO_STAGE if unstaged else "")
        case "decided":
            what = " ".join(filter(None, (body["step"], body["channel"] and f"by {body['channel']}")))
            until = f" until {body['until'][:16].replace('T', ' ')}" if body["until"] else ""
            whose = f" of {body['campaign']}" if body.get("campaign") and body["channel"] else ""
            text = f"{body['verdict']}{until}: {what}{whose} ({body['rule']}: {body['detail']})"
            return Entry(at, "decision", text, 2, inputs=inputs(body))
        case "deliver_intervention":
            return Entry(at, "command", f"{body['channel']}: {body['template']}  [{body['id']}]", 3)
        case "withdraw_intervention":
            return Entry(at, "command", f"{body['channel']}: withdraw {body['id']}: {body['reason']}", 3)
        case "receipt":
            error = f": {body['error']}" if body.get("error") else ""
            return Entry(at, "receipt", f"{body['channel']} {body['status']}{error}", 4)
        case "lead_escalated":
            note = f" ({body['note']})" if body.get("note") else ""
            return Entry(at, "escalation", f"{body['status']}, to {body['target']}: {body['reason']}{note}", 4)
        case "intervention_tracked":
            final = "final" if body["final"] else "so far"
            return Entry(
                at, "outcome", f"{body['channel']} {body['step']}: {body['status']}, {body['outcome']} ({final})", 5
            )
        case "journey_progressed":
            return Entry(at, "journey", progress_in_words(body), 5)
        case "episode_closed":
            return Entry(
                at, "outcome", f"episode {body['episode']} closed: {body['outcome']}, peak {body['peak_stage']}", 6
            )
        case _:
            details = ", ".join(f"{k} {v}" for k, v in body.items() if k not in _ENVELOPE and v is not None)
            return Entry(at, "event", kind.replace("_", " ") + (f" ({details})" if details else ""), 0)


def inputs(decided: dict[str, Any]) -> str:
    """What a decision rested on: rank, arm, assessment and versions, and the id by which it is approved or traced."""
    parts = [f"risk {100 * decided['probability']:.0f} % in {decided['stage']}, {decided['arm']}"]
    if rank := decided.get("rank"):
        worth, cost = rank["value_cents"] / 100, rank["cost_cents"] / 100
        chance = f"{100 * rank['effect']:.0f} %"
        if not decided.get("campaign"):
            chance = f"{100 * decided['probability']:.0f} % x {chance}"
        parts.append(f"rank {rank['score']:,.2f}: {chance} x {worth:,.2f} - {cost:,.2f}, {rank['hours_left']:g} h left")
    if decided.get("winner"):
        parts.append(f"beaten by {decided['winner']}")
    parts += [f"{d['experiment']}: {d['variant']} ({d['propensity']:.0%})" for d in decided.get("drawn", ())]
    parts.append(f"policy {decided['policy_version']}, model {decided['model_version']}, {decided['assessment']}")
    if decided.get("weights_version"):
        parts.append(f"weights {decided['weights_version']}")
    parts += [decided[name] for name in ("intervention", "escalation") if decided[name]]
    return "; ".join(parts)
