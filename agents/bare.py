"""Records as aiokafka reads them out of a batch, all of a batch at once.

To ask for one after the other costs a third of reading them (0.33 and 0.22 us a record of 60 bytes), and making a `ConsumerRecord` of
each a third of an empty lane.
"""

# ruff: noqa: SLF001  # aiokafka has no public door to what it has fetched. The version is pinned for this (law 8).

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords


class _Whole(list[Any]):
    """The records of a batch, which aiokafka takes for one record: the last of them."""

    @property
    def offset(self) -> int:
        return int(self[-1].offset)


class _Batch:
    """A batch as aiokafka made it, but that a single thing comes out of it."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)  # of a control batch, which nobody goes through

    def __iter__(self) -> Iterator[_Whole]:
        whole = _Whole(self._batch)
        return iter([whole] if whole else [])


class _Batches:
    """What came with a fetch."""

    def __init__(self, batches: Any) -> None:
        self._batches = batches

    def has_next(self) -> bool:
        return bool(self._batches.has_next())

    def next_batch(self) -> _Batch:
        return _Batch(self._batches.next_batch())


class _BareRecords(PartitionRecords):  # type: ignore[misc]
    """Goes through batches by aiokafka's own rules: checksums, aborted transactions, control batches."""

    _records: Any

    def bare(self) -> None:
        """To be called before anything is read."""
        self._records = _Batches(self._records)
        self.all = chain.from_iterable(self._records_iterator)

    def _consumer_record(self, _: Any, whole: Any) -> Any:
        first = self.next_fetch_offset
        if whole[0].offset >= first:
            return whole
        return [record for record in whole if record.offset >= first]  # a fetch may begin in the middle of a batch


def _getall(result: FetchResult, max_records: int | None = None) -> list[Any]:
    """In place of `FetchResult.getall`, which asks for each record."""
    if not result.has_more() or not result.check_assignment(result._topic_partition):
        return []
    records = result._partition_records
    taken = list(islice(records.all, max_records))
    if max_records is None or len(taken) < max_records:
        result._update_position()
        result._partition_records = None
    elif taken:  # perhaps from the middle of a batch
        records.next_fetch_offset = taken[-1].offset + 1
        result._update_position()
    return taken


class _Arrivals(OrderedDict[Any, Any]):
    """What the fetcher has and has not handed over yet."""

    def __setitem__(self, tp: Any, result: Any) -> None:
        if isinstance(result, FetchResult):
            result._partition_records.__class__ = _BareRecords
            result._partition_records.bare()
            result.getall = partial(_getall, result)
        super().__setitem__(tp, result)


def make_bare(consumer: AIOKafkaConsumer) -> None:
    """From now on the consumer, which has been started and has fetched nothing yet, returns `Fetched` records from `getmany`."""
    consumer._fetcher._records = _Arrivals(consumer._fetcher._records)
