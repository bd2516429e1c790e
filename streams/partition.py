"""What is held of one inbox partition, and how it gets to the changelog and back."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from schemas.errors import StateUnreadable
from streams import state as durable
from streams.budget import Spending
from streams.features import ROW, FeatureTable, Ints
from streams.record import Borne
from streams.workload import Workload

IN_ONE_PIECE = 1000
"""Tombstones of faded leads that go with the marker; a batch of 1 MiB holds 4,000 of the longest keys."""
EPOCH_BITS = 48
"""The log's epoch stands above this many bits of a message's offset: a topic recreated on purpose begins a new one."""


class Out(NamedTuple):
    """One record to produce; the partition is the inbox partition it follows from."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] | None = None


class Message(NamedTuple):
    """One record of the inbox. `offset` is `epoch << EPOCH_BITS | offset in the topic`."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


@dataclass
class Folded:
    """What one fold led to. `rejected` names the offsets that were dead-lettered; `tally` counts for metrics."""

    outputs: list[Out] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    tally: Counter[tuple[str, ...]] = field(default_factory=Counter)


class Partition:
    """Everything known of the leads of one partition, changed in place; `changes` tells what to make durable."""

    def __init__(self, number: int) -> None:
        """Empty, as before the first record."""
        self.number = number
        self.table = FeatureTable()
        self.records: dict[int, bytes] = {}
        self.state = durable.PartitionState()
        self._spending: Spending | None = None
        self._workload: Workload | None = None
        self._touched: set[int] = set()
        self._erased: set[bytes] = set()
        self._faded: set[bytes] = set()

    def restore(self, records: Iterable[tuple[bytes, bytes | None, int]]) -> None:
        """Apply records of the changelog (key, value, offset) in order, those that are not older than what is held.

        The last write of a paused former owner may come after its successor's. Leads that are no more than a row, which
        is most of them, are taken together.

        Raises:
            StateUnreadable: A record is damaged; names its offset.
        """
        self._spending = self._workload = None
        rows: dict[bytes, bytes] = {}
        for key, value, offset in records:
            row = durable.plain_row(value)
            if row is not None:
                if key not in rows or durable.guard_of(row) >= durable.guard_of(rows[key]):
                    rows[key] = row
                continue
            if key in rows:
                self._restore_rows({key: rows.pop(key)})
            try:
                self._restore_one(key, value)
            except StateUnreadable as error:
                raise StateUnreadable(f"offset {offset}: {error}") from error
        self._restore_rows(rows)

    def _restore_rows(self, found: Mapping[bytes, bytes]) -> None:
        if not found:
            return
        where = self.table.rows_of(list(found))
        data = np.frombuffer(b"".join(found.values()), ROW)
        newer = data["guard"] >= self.table.rows["guard"][where]
        where, data = where[newer], data[newer]
        self.table.put(where, data)
        self.table.due[where] = data["due"]
        if self.records:
            for row in where.tolist():
                self.records.pop(row, None)

    def _restore_one(self, key: bytes, value: bytes | None) -> None:
        if key == durable.PARTITION_KEY:
            state = durable.decode_partition(value or b"")
            if state.applied >= self.state.applied:
                self.state = state
            return
        if value is None:
            if key in self.table.index:
                self.records.pop(self.table.index[key], None)
                self.table.forget(key)
            return
        data, record = durable.decode_lead(value)
        row = self.table.row_of(key)
        if data["guard"] < self.table.rows["guard"][row]:
            return
        self.table.rows[row] = data
        self.table.due[row] = data["due"]
        if record is None:
            self.records.pop(row, None)
        else:
            self.records[row] = record

    @property
    def spending(self) -> Spending:
        """What was spent on the leads of tenants with a budget; gathered when first asked for."""
        if self._spending is None:
            held = ((self.table.keys[row] or b"", durable.decode_record(data)) for row, data in self.records.items())
            self._spending = Spending(held)
        return self._spending

    @property
    def workload(self) -> Workload:
        """Who has how many escalations; gathered when first asked for."""
        if self._workload is None:
            held = ((self.table.keys[row] or b"", durable.decode_record(data)) for row, data in self.records.items())
            self._workload = Workload(held)
        return self._workload

    def burden(self, key: bytes, changes: list[Borne]) -> None:
        """What has changed for a lead; nobody has asked yet: it stands in the lead's record."""
        if self._workload is not None:
            self._workload.add(key, changes)

    @property
    def changed(self) -> int:
        """How many leads have to go to the changelog."""
        return len(self._touched)

    def changes(self) -> tuple[list[tuple[bytes, bytes | None]], list[tuple[bytes, bytes | None]]]:
        """What changed since the last call: leads, then what must follow them in one piece (tombstones, the marker).

        The marker says that everything up to `applied` is on the changelog, so it has to be written last; the tombstone
        of an erased lead with it, since a lead that is gone has no guard of its own. Leads that time has made forget may
        be very many, and nothing was said about them lately: beyond what fits into one piece their tombstones go before.
        """
        rows = np.fromiter(self._touched, np.int64, len(self._touched))
        rows.sort()
        self.table.rows["due"][rows] = self.table.due[rows]
        touched = rows.tolist()
        values = durable.encode_leads(self.table.at(rows), [self.records.get(r) for r in touched])
        keys = [self.table.keys[r] or b"" for r in touched]
        gone: list[tuple[bytes, bytes | None]] = [(k, None) for k in sorted(self._erased - set(keys))]
        faded: list[tuple[bytes, bytes | None]] = [(k, None) for k in sorted(self._faded - set(keys))]
        marker = (durable.PARTITION_KEY, durable.encode_partition(self.state))
        leads: list[tuple[bytes, bytes | None]] = [*zip(keys, values, strict=True)]
        for some in (self._touched, self._erased, self._faded):
            some.clear()
        if len(faded) > IN_ONE_PIECE:
            return [*leads, *faded], [*gone, marker]
        return leads, [*gone, *faded, marker]

    def touch(self, row: int) -> None:
        """This lead's state has to go to the changelog."""
        self._touched.add(row)

    def touch_all(self, rows: Ints) -> None:
        """The same for many leads."""
        self._touched.update(rows.tolist())

    def forget(self, row: int, *, faded: bool = False) -> None:
        """Remove a lead for good: erased on request, or faded because nothing was heard of it for so long."""
        key = self.table.keys[row]
        assert key is not None
        self.records.pop(row, None)
        if self._spending is not None:
            self._spending.forget(key)
        if self._workload is not None:
            self._workload.forget(key)
        self._touched.discard(row)
        (self._faded if faded else self._erased).add(key)
        self.table.forget(key)
