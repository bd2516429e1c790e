"""The inbox as a log to learn from and to grade by: what the broker holds, with the time at which it was known."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from aiokafka import ConsumerRecord

from agents import dead_letters
from agents.bygone import bygone
from agents.lead_state import read_state
from agents.reading import read_topics
from agents.settings import Settings
from agents.snapshots import ActivityLog
from schemas import topics
from schemas.errors import LeadkeeperError, Rejected
from schemas.events import EraseLead, is_control
from streams.policy import Policy, PolicyOf
from streams.validate import parse
from streams.vocabulary import Kind


class Received(NamedTuple):
    """One record. `timestamp_ms` is when the broker had it; 0 where the log carries its own time and arrival says nothing."""

    key: bytes
    value: bytes
    timestamp_ms: int


async def received(settings: Settings, topic: topics.Topic) -> list[Received]:
    """All records of a topic, partition by partition, to its end."""
    records = read_topics(settings.bootstrap, [settings.topic_prefix + topic.name])
    return [_received(settings, record) async for record in records if record.value]


def _received(settings: Settings, record: ConsumerRecord) -> Received:
    return Received(record.key or b"", record.value, 0 if settings.clock == "event" else record.timestamp)


async def valid(
    settings: Settings,
    wanted: Callable[[ConsumerRecord], bool] = lambda _: True,
    starts: dict[int, int] | None = None,
) -> list[Received]:
    """What `lead.events` says of leads that may be learned from or held against their state, lead by lead in order.

    Without what the workers dead-lettered, also where the dead letter is gone by now, and without all that was said of a lead
    before it was erased.

    Args:
        settings: where it is.
        wanted: records that are asked for; an erasure that is not does not count either.
        starts: is told the first offset of each partition that has any.

    Raises:
        Unavailable: a topic does not exist.
    """
    refused = await _refused(settings)
    known: dict[bytes, list[Received]] = {}
    async for record in read_topics(settings.bootstrap, [settings.topic_prefix + topics.EVENTS.name]):
        if starts is not None:
            starts.setdefault(record.partition, record.offset)
        if not wanted(record) or (record.partition, record.offset) in refused:
            continue
        one = _received(settings, record)
        try:
            body, _ = parse(record.key, record.value, one.timestamp_ms)
        except Rejected:
            continue
        if isinstance(body, EraseLead):
            known.pop(one.key, None)
        elif not is_control(body):
            known.setdefault(one.key, []).append(one)
    return [one for records in known.values() for one in records]


async def _refused(settings: Settings) -> set[tuple[int, int]]:
    """Partition and offset of what was dead-lettered."""
    topic = settings.topic_prefix + topics.EVENTS.name

    def ours(found: dead_letters.Found) -> bool:
        return dead_letters.origin(found.letter, settings.topic_prefix) == topic

    letters = dead_letters.find(settings.bootstrap, settings.topic_prefix, ours, [topics.EVENTS_DLQ])
    return {(found.letter.partition, found.letter.offset) async for found in letters}


async def inbox(settings: Settings, policy: Policy | PolicyOf, words: Mapping[str, Kind] | None = None) -> ActivityLog:
    """`lead.events` as a log to train from; says what it lacks where retention took its beginning.

    Args:
        settings: where it is.
        policy: what events mean: to all tenants, or what gives a tenant's policy.
        words: meanings on top of the policy's.

    Raises:
        Unavailable: a topic does not exist.
    """
    starts: dict[int, int] = {}
    log = ActivityLog.read(await valid(settings, starts=starts), policy, words)
    if deleted := sum(starts.values()):
        try:
            state = (await read_state(settings)).rows
        except LeadkeeperError:
            state = None  # no worker ran here yet, or another version did: the model can be trained all the same
        log.bygone = bygone(log, deleted, state)
    return log
