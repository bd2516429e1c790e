"""What this courier knows of its commands: its channel's part of `couriers.ledger`, read back before it is used."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from agents.couriers.clock import CourierClock
from agents.writer import Out
from schemas.ledger import LedgerEntry, LedgerState
from schemas.units import Channel
from streams.deliver import TERMINAL

QUIET = "quiet_hours"


class _Finished(NamedTuple):
    """When a command ended, epoch seconds, and its entry as the bytes that the topic has of it."""

    at: float
    value: bytes


@dataclass(frozen=True)
class _Held:
    """A partition's entries by id.

    A finished one is kept for days, in case its command comes once more: as bytes, which are a third of the object.

    Attributes:
        open: There may still be something to do.
        finished: Nothing can follow.
    """

    open: dict[str, LedgerEntry] = field(default_factory=dict)
    finished: dict[str, _Finished] = field(default_factory=dict)

    def keep(self, entry: LedgerEntry, value: bytes) -> None:
        """Hold an entry in place of what was held of its command."""
        self.forget(entry.id)
        if entry.command is None:
            self.finished[entry.id] = _Finished(entry.at.timestamp(), value)
        else:
            self.open[entry.id] = entry

    def forget(self, intervention: str) -> None:
        """Hold nothing of a command."""
        self.open.pop(intervention, None)
        self.finished.pop(intervention, None)

    def has_ended(self, intervention: str) -> bool:
        """Whether nothing can follow any more."""
        entry = self.open.get(intervention)
        return intervention in self.finished or (entry is not None and entry.state in TERMINAL)


_NOTHING = _Held()
"""Of a partition of which nothing was read or noted; never written to."""


class Ledger:
    """Entries by partition and id, and those that wait for their time.

    Args:
        topic: The ledger's topic.
        channel: Entries of other channels are none of ours.
        clock: Tells when waiting entries are due.
    """

    def __init__(self, topic: str, channel: Channel, clock: CourierClock) -> None:
        """Start empty."""
        self.topic = topic
        self._channel = channel
        self._clock = clock
        self._held: defaultdict[int, _Held] = defaultdict(_Held)
        self._due: list[tuple[datetime, int, str]] = []
        self._due_in_stream: list[tuple[datetime, int, str]] = []

    def get(self, partition: int, intervention: str) -> LedgerEntry | None:
        """What is known of a command."""
        held = self._held.get(partition, _NOTHING)
        finished = held.finished.get(intervention)
        return held.open.get(intervention) if finished is None else LedgerEntry.model_validate_json(finished.value)

    def apply(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Take one record of the topic, in log order.

        A finished command stays finished: a former owner that was paused may still write its CLAIMED after the new
        owner's SENT.
        """
        held, intervention = self._held[partition], key.decode()
        if value is None:
            held.forget(intervention)
            return
        entry = LedgerEntry.model_validate_json(value)
        if entry.channel is not self._channel:
            return
        if entry.state in TERMINAL or not held.has_ended(intervention):
            held.keep(entry, value)

    def put(self, partition: int, entry: LedgerEntry) -> Out:
        """Note an entry and return the record that makes it durable; write it before acting on it."""
        value = entry.model_dump_json().encode()
        self._held[partition].keep(entry, value)
        return Out(self.topic, partition, entry.id.encode(), value)

    def drop(self, partitions: Iterable[int]) -> None:
        """Forget partitions: they belong to somebody else, or what is held may not be what the topic says."""
        for partition in partitions:
            self._held.pop(partition, None)

    def wait(self, partition: int, entry: LedgerEntry, at: datetime | None = None) -> None:
        """Look at an entry again when it is due, or at a given time by the wall clock."""
        due = at if at is not None else self._clock.due(entry)
        heapq.heappush(self._due, (due, partition, entry.id))
        if self._clock.mode == "event" and entry.error == QUIET and entry.retry_at is not None:
            heapq.heappush(self._due_in_stream, (entry.retry_at, partition, entry.id))

    def wait_for_unfinished(self, partition: int, now: datetime) -> None:
        """After recovery: look at everything that still holds a command, when it is due or at once."""
        for entry in self._held.get(partition, _NOTHING).open.values():
            self.wait(partition, entry, None if entry.state is LedgerState.RETRY_AT else now)

    def due(self, now: datetime, stream_now: datetime | None, limit: int) -> Iterator[tuple[int, LedgerEntry]]:
        """Take what is due, at most `limit`; each entry once, and only if it still waits."""
        seen: set[str] = set()
        for heap, until in ((self._due, now), (self._due_in_stream, stream_now)):
            while until is not None and heap and heap[0][0] <= until and len(seen) < limit:
                _, partition, intervention = heapq.heappop(heap)
                entry = self._held.get(partition, _NOTHING).open.get(intervention)
                if entry is not None and intervention not in seen:
                    seen.add(intervention)
                    yield partition, entry

    def waiting(self) -> int:
        """Number of commands that wait for another attempt."""
        return sum(entry.state is LedgerState.RETRY_AT for held in self._held.values() for entry in held.open.values())

    def old(self, before: datetime) -> Iterator[Out]:
        """Forget finished entries from before a time; the tombstones to write."""
        for partition, held in self._held.items():
            for intervention in [each for each, ended in held.finished.items() if ended.at < before.timestamp()]:
                held.forget(intervention)
                yield Out(self.topic, partition, intervention.encode(), None)
