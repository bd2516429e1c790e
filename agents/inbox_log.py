"""The inbox as a log to learn from and to grade by: what the broker holds, with the time at which it was known."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pydantic import ValidationError

from agents.reading import read_topics
from agents.settings import Settings
from agents.snapshots import Logged
from schemas import topics
from schemas.events import EVENT


class Received(NamedTuple):
    """One record. `timestamp_ms` is when the broker had it; 0 where the log carries its own time and arrival says nothing."""

    key: bytes
    value: bytes
    timestamp_ms: int


async def received(settings: Settings, topic: topics.Topic) -> list[Received]:
    """All records of a topic, partition by partition, to its end."""
    own_time = settings.clock == "event"
    return [
        Received(record.key or b"", record.value, 0 if own_time else record.timestamp)
        async for record in read_topics(settings.bootstrap, [settings.topic_prefix + topic.name])
        if record.value
    ]


def usable(records: Iterable[Logged]) -> Iterator[Logged]:
    """Without what was dead-lettered: the inbox holds whatever was sent."""
    for record in records:
        try:
            EVENT.validate_json(record.value)
        except ValidationError:
            continue
        yield record
