"""Puts events into the inbox, each checked before as a worker would check it: what a worker would refuse is not sent.

The body says whose event it is; the key, and with it the partition, follows from that. Who was interrupted goes on where the
broker was certain: of what is written at once, no lead has more events than it is known by (`RING`), so those that come again
count once, unless much else was heard of the lead in between.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import ValidationError

from agents.settings import LeadSettings
from agents.tryout.send import look
from agents.writer import Out, Writer, WriterFailedError, partition_for
from schemas import topics
from schemas.errors import Rejected, RejectReason
from schemas.events import EVENT, is_control
from streams.features import RING
from streams.validate import check_recent, parse, reject

TOGETHER = 2_000
"""Events that are written at once, at most."""
Refuse = Callable[[int, Rejected], None]
"""Takes the number of a line, and why it cannot be sent."""


class Ready(NamedTuple):
    """An event that may be sent."""

    key: bytes
    value: bytes
    at: datetime


def ready(value: bytes, now: datetime) -> Ready:
    """The event of one line. Raises Rejected that names the field and the remedy, as a dead letter would."""
    try:
        event = EVENT.validate_json(value)
    except ValidationError as error:
        raise reject(value, error) from None
    if is_control(event):
        raise Rejected(
            RejectReason.INVALID_VALUE, "type", f"{event.type} is not about a lead",
            "use `leadkeeper policy`, `model` or `address`; ticks come from the workers",
        )  # fmt: skip
    key = f"{event.tenant}:{event.lead}".encode()
    parse(key, value, int(now.timestamp() * 1000))
    return Ready(key, value, event.at)


def usable(lines: Iterable[bytes], refuse: Refuse, *, by_event_time: bool, history: bool = False) -> Iterator[Ready]:
    """The events of these lines, JSON each; empty lines are passed over.

    Args:
        lines: of a file.
        refuse: told of each that cannot be sent.
        by_event_time: the log carries its own time, so no event lies in the future, and none is old.
        history: what happened long ago is meant to be sent (`check_recent`).
    """
    for number, line in enumerate(lines, 1):
        if value := line.strip().removeprefix(b"\xef\xbb\xbf"):
            try:
                found = ready(value, _end_of_time if by_event_time else datetime.now(UTC))
                if not by_event_time and not history:
                    check_recent(found.at.timestamp(), datetime.now(UTC).timestamp())
            except Rejected as why:
                refuse(number, why)
            else:
                yield found


class SendingStoppedError(Exception):
    """The broker takes no more.

    Attributes:
        sent: Events that are in for certain; some of those after them may be, too.
    """

    def __init__(self, sent: int, why: WriterFailedError) -> None:
        """In the writer's words."""
        super().__init__(str(why))
        self.sent = sent


async def send(settings: LeadSettings, events: Iterable[Ready]) -> int:
    """Write them and return how many, when the broker has them all.

    Raises:
        Unavailable: The topics are not as they must be.
        SendingStoppedError: The broker stopped taking them.
    """
    target = await look(settings.bootstrap, settings.topic_prefix)
    inbox, sent = settings.topic_prefix + topics.EVENTS.name, 0
    writer = Writer(settings.bootstrap, idempotent=target.idempotent, client_id="send")
    await writer.start()
    try:
        for piece in together(events):
            out = []
            for one in piece:
                at = one.at if settings.clock == "event" else datetime.now(UTC)
                where = partition_for(one.key, target.partitions)
                out.append(Out(inbox, where, one.key, one.value, int(at.timestamp() * 1000)))
            await writer.produce(out)
            sent += len(out)
    except WriterFailedError as error:
        raise SendingStoppedError(sent, error) from error
    finally:
        await writer.stop()
    return sent


def together(events: Iterable[Ready]) -> Iterator[list[Ready]]:
    """In order, cut so that none of the pieces has more events of a lead than duplicates are recognised among."""
    waiting, of_lead = list[Ready](), Counter[bytes]()
    for one in events:
        waiting.append(one)
        of_lead[one.key] += 1
        if len(waiting) == TOGETHER or of_lead[one.key] == RING:
            yield waiting
            waiting, of_lead = [], Counter()
    if waiting:
        yield waiting


_end_of_time = datetime(2100, 1, 1, tzinfo=UTC)
