"""Dead letters for people: list them, look at one, send them on their way again."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import NamedTuple

from aiokafka import ConsumerRecord
from pydantic import ValidationError

from agents.broker import probe
from agents.reading import read_topics
from agents.topics import partitions_of
from agents.writer import Out, Writer, partition_for
from schemas import topics
from schemas.dead_letters import HEADER_PREFIX, DeadLetter
from schemas.errors import Unavailable

DLQS = (topics.EVENTS_DLQ, *topics.INTERVENTIONS_DLQ.values())


class Found(NamedTuple):
    """A dead letter and the record that carries it."""

    letter: DeadLetter
    record: ConsumerRecord


async def find(
    bootstrap: str, prefix: str, wanted: Callable[[Found], bool] = lambda _: True, on: Iterable[topics.Topic] = DLQS
) -> AsyncIterator[Found]:
    """All dead letters on these topics that are wanted, once each (a crash may have written one twice), in order within each topic.

    Raises:
        Unavailable: The topics do not exist.
    """
    seen = set()
    async for record in read_topics(bootstrap, [prefix + t.name for t in on]):
        try:
            found = Found(DeadLetter.from_headers(record.headers), record)
        except (ValidationError, UnicodeDecodeError):
            continue
        if found.letter.id not in seen and wanted(found):
            seen.add(found.letter.id)
            yield found


def origin(letter: DeadLetter, prefix: str) -> str:
    """Full name of the topic a dead letter came from."""
    return prefix + letter.topic.removeprefix(prefix)


def can_go_back(found: Found) -> bool:
    """Whether it came from a topic of ours, whole. Rows of files, and values cut to fit, have to be sent anew."""
    names = {t.name for t in topics.ALL}
    return not found.letter.cut_from and any(found.letter.topic.endswith(name) for name in names)


def each_record_once(letters: Iterable[Found]) -> list[Found]:
    """Of letters that carry the same record the last: what was sent again and rejected again has more than one."""
    return list({(f.letter.topic, f.record.key, f.record.value): f for f in letters}.values())


async def redrive(bootstrap: str, prefix: str, letters: list[Found], batch: int = 500) -> int:
    """Send records back to the topic they came from, to the partition their key belongs on; returns how many.

    Their headers lose the reason. A record without a key goes to the partition it came from, and will be rejected again.
    What was repaired meanwhile is the reader or its settings: the bytes are the same.
    """
    flavour = await probe(bootstrap)
    letters = [f for f in letters if can_go_back(f)]
    sizes = await partitions_of(bootstrap, sorted({origin(f.letter, prefix) for f in letters}))
    writer = Writer(bootstrap, idempotent=flavour.idempotent, client_id="redrive")
    await writer.start()
    try:
        for start in range(0, len(letters), batch):
            await writer.produce([_again(f, prefix, sizes) for f in letters[start : start + batch]])
    finally:
        await writer.stop()
    return len(letters)


def _again(found: Found, prefix: str, sizes: dict[str, int]) -> Out:
    letter, record = found
    topic = origin(letter, prefix)
    if not sizes[topic]:
        raise Unavailable(f"{letter.id} came from {topic}, which is no topic here: correct the source and send it anew")
    partition = letter.partition if record.key is None else partition_for(record.key, sizes[topic])
    headers = [(k, v) for k, v in record.headers if not k.startswith(HEADER_PREFIX)]
    return Out(topic, partition, record.key, record.value, letter.timestamp_ms, headers)
