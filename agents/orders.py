"""Orders of operators: put into the inbox; and what there is to order about: steps that wait for a yes, open escalations."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from agents.broker import probe
from agents.reading import read_topics
from agents.settings import Settings
from agents.topics import partitions_of
from agents.writer import Out, Writer, partition_for
from schemas import topics
from schemas.decisions import Decided, Verdict
from schemas.errors import Unavailable
from schemas.escalations import LeadEscalated
from schemas.events import LeadEvent
from streams.approve import ASKS

DECIDED: TypeAdapter[Decided] = TypeAdapter(Decided)
ESCALATED: TypeAdapter[LeadEscalated] = TypeAdapter(LeadEscalated)


class Keyed(NamedTuple):
    """An order, and the key that says to which partition it goes."""

    key: str
    order: LeadEvent


async def send(settings: Settings, orders: Sequence[Keyed]) -> None:
    """Write them to the inbox and return when the broker has them. Raises Unavailable where there is no such topic."""
    inbox, partitions = settings.topic_prefix + topics.EVENTS.name, await _partitions(settings)
    flavour = await probe(settings.bootstrap)
    writer = Writer(settings.bootstrap, idempotent=flavour.idempotent, client_id="orders")
    await writer.start()
    try:
        await writer.produce([_record(inbox, partitions, *one) for one in orders])
    finally:
        await writer.stop()


def _record(inbox: str, partitions: int, key: str, order: LeadEvent) -> Out:
    value = order.model_dump_json(exclude_none=True).encode()
    at_ms = int(order.at.timestamp() * 1000)
    return Out(inbox, partition_for(key.encode(), partitions), key.encode(), value, at_ms)


async def is_held(settings: Settings, tenant: str, lead: str) -> bool:
    """Whether anything is kept of this lead. Raises Unavailable."""
    key, there = f"{tenant}:{lead}".encode(), False
    partition = partition_for(key, await _partitions(settings))
    async for record in read_topics(settings.bootstrap, [settings.topic_prefix + topics.STATE.name], partition):
        if record.key == key:
            there = record.value is not None
    return there


async def waiting(settings: Settings, tenant: str, lead: str | None = None) -> list[Decided]:
    """Decisions by which a step waits for somebody's yes now: of a lead, or of all the tenant's; the oldest first.

    Now is that of the clock, or where the log carries its own time the newest decision that was read.

    Raises:
        Unavailable: The topics do not exist.
    """
    newest: dict[str, Decided] = {}
    now = datetime.now(UTC) if settings.clock == "wall" else datetime.min.replace(tzinfo=UTC)
    async for value in _of(settings, topics.DECISIONS, tenant, lead):
        try:
            one = DECIDED.validate_json(value)
        except ValidationError:
            continue
        now = max(now, one.at)
        if one.intervention is not None and (one.intervention not in newest or newest[one.intervention].at <= one.at):
            newest[one.intervention] = one
    asked = [one for one in newest.values() if one.verdict is Verdict.DEFERRED and one.rule in ASKS]
    return sorted((one for one in asked if one.until and one.until > now), key=lambda one: (one.at, one.id))


async def escalations(settings: Settings, tenant: str, lead: str | None = None) -> list[LeadEscalated]:
    """Those that nobody has resolved, as told last: of a lead, or of all the tenant's; the oldest first. Raises Unavailable."""
    newest: dict[str, LeadEscalated] = {}
    async for value in _of(settings, topics.ESCALATIONS, tenant, lead):
        try:
            one = ESCALATED.validate_json(value)
        except ValidationError:
            continue
        if one.id not in newest or newest[one.id].at <= one.at:
            newest[one.id] = one
    unresolved = (one for one in newest.values() if one.status != "resolved")
    return sorted(unresolved, key=lambda one: (one.opened_at, one.id))


async def _of(settings: Settings, topic: topics.Topic, tenant: str, lead: str | None) -> AsyncIterator[bytes]:
    key = f"{tenant}:{lead or ''}".encode()
    partition = partition_for(key, await _partitions(settings)) if lead else None
    async for record in read_topics(settings.bootstrap, [settings.topic_prefix + topic.name], partition):
        if record.value and (record.key == key if lead else (record.key or b"").startswith(key)):
            yield record.value


async def _partitions(settings: Settings) -> int:
    """Of the inbox."""
    inbox = settings.topic_prefix + topics.EVENTS.name
    found = (await partitions_of(settings.bootstrap, [inbox]))[inbox]
    if not found:
        raise Unavailable(f"topic {inbox} does not exist: `leadkeeper topics create`")
    return found
