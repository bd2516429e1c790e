"""Records as aiokafka reads them out of a batch: making a `ConsumerRecord` of each costs a third of an empty lane."""

# ruff: noqa: SLF001  # aiokafka has no public door to what it has fetched. The version is pinned for this (law 8).

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords


class _BareRecords(PartitionRecords):  # type: ignore[misc]
    """Hands records over as they were read."""

    def __iter__(self) -> Iterator[Any]:
        return self._records_iterator  # type: ignore[no-any-return] # itself, it would be asked for each record in Python

    def _consumer_record(self, _: Any, record: Any) -> Any:
        return record


class _Arrivals(OrderedDict[Any, Any]):
    """What the fetcher has and has not handed over yet."""

    def __setitem__(self, tp: Any, result: Any) -> None:
        if isinstance(result, FetchResult):
            result._partition_records.__class__ = _BareRecords
        super().__setitem__(tp, result)


def make_bare(consumer: AIOKafkaConsumer) -> None:
    """From now on the consumer, which has been started and has fetched nothing yet, returns `Fetched` records."""
    consumer._fetcher._records = _Arrivals(consumer._fetcher._records)
