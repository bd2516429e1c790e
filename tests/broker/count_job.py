"""The count job: parse a JSON record, count per key, one output per event, a durable changelog. No Faust, no broker.

The same rules serve the worker (``count_worker.py``) and the oracle of the fault test, which folds the log in memory.
State of a key: how many events, the sum of their ``n``, and the guard: the offset of the last one applied.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from agents.rounds import Fetched

MARKER = b"\x01applied"  # value: the next offset of the partition; all before it are in the state


class Event(msgspec.Struct):
    """What producers send; ``n`` must be whole."""

    key: str
    n: int


_DECODER = msgspec.json.Decoder(Event)
_NOTHING = (0, 0, -1)

Count = tuple[int, int, int]  # events, sum of n, guard
Output = tuple[bytes, bytes]  # key, value; derived from the event's offset, so a replay repeats it to the byte


def encode(count: Count) -> bytes:
    """Return the changelog record of a key's state."""
    return b"%d,%d,%d" % count


def decode(value: bytes) -> Count:
    """Return the state in a changelog record."""
    events, total, guard = map(int, value.split(b","))
    return events, total, guard


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
        count = decode(value)
        held = self.counts.get(key)
        if held is None or held[2] <= count[2]:
            self.counts[key] = count

    def fold(self, records: Iterable[Fetched]) -> tuple[list[Output], dict[bytes, Count]]:
        """Fold records in order.

        Returns:
            Outputs, and the state of each key touched, also of keys that a guard skipped: the changelog might lack it.
        """
        outputs: list[Output] = []
        touched: dict[bytes, Count] = {}
        counts, parse = self.counts, _DECODER.decode
        offset = self.applied - 1
        for record in records:
            key, offset = record.key or b"", record.offset
            state = events, total, guard = counts.get(key, _NOTHING)
            if offset > guard:
                events, total = events + 1, total + parse(record.value or b"").n
                counts[key] = state = events, total, offset
                outputs.append((key, b"%d:%d:%d" % (offset, events, total)))
            touched[key] = state
        self.applied = max(self.applied, offset + 1)
        return outputs, touched


def event(key: str, n: int) -> bytes:
    """Return an input record of about 60 bytes."""
    return json.dumps({"key": key, "n": n, "source": "fault-test", "pad": "x" * 8}).encode()
