"""The count job: parse a JSON record, count per key, one output per event, a durable changelog. No Faust, no broker.

The same rules serve the worker (``count_worker.py``) and the oracle of the fault test, which folds the log in memory.
State of a key: how many events, the sum of their ``n``, and the guard: the offset of the last one applied.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

MARKER = b"\x01applied"  # value: the next offset of the partition; all before it are in the state


class Event(msgspec.Struct):
    """What producers send; ``n`` must be whole."""

    key: str
    n: int


_DECODER = msgspec.json.Decoder(Event)


class Count(NamedTuple):
    """The state of one key."""

    events: int
    total: int
    guard: int

    def encode(self) -> bytes:
        """Return the changelog record."""
        return b"%d,%d,%d" % self

    @classmethod
    def decode(cls, value: bytes) -> Count:
        """Return the state in a changelog record."""
        return cls(*map(int, value.split(b",")))


class Output(NamedTuple):
    """One output: its id is derived, so a replay repeats it to the byte."""

    key: bytes
    value: bytes


@dataclass
class Partition:
    """State of one input partition."""

    counts: dict[bytes, Count] = field(default_factory=dict)
    applied: int = 0

    def apply(self, key: bytes, value: bytes | None, offset: int) -> None:
        """Take a changelog record; what is older than what is held is a paused owner's last write."""
        if value is None:
            raise ValueError(f"{key!r} at {offset}: the count job deletes nothing")
        if key == MARKER:
            self.applied = max(self.applied, int(value))
            return
        count = Count.decode(value)
        held = self.counts.get(key)
        if held is None or held.guard <= count.guard:
            self.counts[key] = count

    def fold(self, records: Iterable[tuple[bytes, bytes, int]]) -> tuple[list[Output], dict[bytes, Count]]:
        """Fold (key, value, offset) records in order.

        Returns:
            Outputs, and the state of each key touched, also of keys that a guard skipped: the changelog might lack it.
        """
        outputs: list[Output] = []
        touched: dict[bytes, Count] = {}
        counts, decode = self.counts, _DECODER.decode
        offset = self.applied - 1
        for key, value, offset in records:
            events, total, guard = counts.get(key, (0, 0, -1))
            if offset > guard:
                events, total, guard = events + 1, total + decode(value).n, offset
                counts[key] = Count(events, total, guard)
                outputs.append(Output(key, b"%d:%d:%d" % (offset, events, total)))
            touched[key] = counts[key]
        self.applied = max(self.applied, offset + 1)
        return outputs, touched


def event(key: str, n: int) -> bytes:
    """Return an input record of about 60 bytes."""
    return json.dumps({"key": key, "n": n, "source": "fault-test", "pad": "x" * 8}).encode()
