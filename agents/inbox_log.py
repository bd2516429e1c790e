"""The inbox as a log to learn from and to grade by: what the broker holds, with the time at which it was known."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from pydantic import ValidationError

from agents.bygone import bygone
from agents.lead_state import read_state
from agents.reading import read_topics
from agents.sentiment import reader_of
from agents.settings import Settings
from agents.snapshots import ActivityLog, Logged
from schemas import topics
from schemas.errors import LeadkeeperError
from schemas.events import EVENT
from streams.policy import Policy
from streams.vocabulary import Kind


class Received(NamedTuple):
    """One record. `timestamp_ms` is when the broker had it; 0 where the log carries its own time and arrival says nothing."""

    key: bytes
    value: bytes
    timestamp_ms: int


async def received(settings: Settings, topic: topics.Topic, starts: dict[int, int] | None = None) -> list[Received]:
    """All records of a topic, partition by partition, to its end; `starts` is told the first offset of each that has any."""
    own_time, found = settings.clock == "event", []
    async for record in read_topics(settings.bootstrap, [settings.topic_prefix + topic.name]):
        if starts is not None:
            starts.setdefault(record.partition, record.offset)
        if record.value:
            found.append(Received(record.key or b"", record.value, 0 if own_time else record.timestamp))
    return found


async def inbox(settings: Settings, policy: Policy, words: Mapping[str, Kind] | None = None) -> ActivityLog:
    """`lead.events` as a log to train from; says what it lacks where retention took its beginning.

    Args:
        settings: where it is.
        policy: what events mean.
        words: meanings on top of the policy's.

    Raises:
        Unavailable: the topic does not exist.
    """
    starts: dict[int, int] = {}
    records = await received(settings, topics.EVENTS, starts)
    log = ActivityLog.read(usable(records), policy, words, reader_of(policy.language))
    if deleted := sum(starts.values()):
        try:
            state = (await read_state(settings)).rows
        except LeadkeeperError:
            state = None  # no worker ran here yet, or another version did: the model can be trained all the same
        log.bygone = bygone(log, deleted, state)
    return log


def usable(records: Iterable[Logged]) -> Iterator[Logged]:
    """Without what was dead-lettered: the inbox holds whatever was sent."""
    for record in records:
        try:
            EVENT.validate_json(record.value)
        except ValidationError:
            continue
        yield record
