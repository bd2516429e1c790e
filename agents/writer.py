"""Writes whole batches to the broker and returns when it has them (law 3).

``AIOKafkaProducer.send`` costs 12 us a record, a hand-filled batch 1.8 us; and Faust's own sends are no barrier: its
flush gives up and its failures are a warning in the log. Here a write is over when the broker has acknowledged all of
it, or it raises and the caller ends the process.
"""

# ruff: noqa: SLF001  # aiokafka's batches have no public door that is as fast. The version is pinned for this (law 8).

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidTimestampError, KafkaError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.produce import ProduceRequest

logger = logging.getLogger(__name__)

BATCH_BYTES = 1 << 20  # the default of Kafka's message.max.bytes
_RECORD_OVERHEAD = 64  # more than a record's varints, attributes and length fields take
_BATCH_HEADER = 128
_LARGE = BATCH_BYTES >> 1
CLOCK = (
    "; set the clock of this machine: the broker takes nothing from over an hour ahead (message.timestamp.after.max.ms)"
)
_LONG = 8
"""Batches for one partition, packed without a pause."""
_NO_HEADERS: list[tuple[str, bytes]] = []


class Out(NamedTuple):
    """One record to write.

    Attributes:
        topic: Where to.
        partition: Which partition; ``partition_for`` gives the one that Kafka's own clients would take.
        key: Key bytes.
        value: Value bytes; None is a tombstone on a compacted topic.
        timestamp_ms: Unix time in ms; None = now.
        headers: Header pairs.
    """

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int | None = None
    headers: list[tuple[str, bytes]] | None = None


# Any six-tuple in the order of Out will do: a plain one is built in a tenth of the time.
Record = tuple[str, int, bytes | None, bytes | None, int | None, list[tuple[str, bytes]] | None]


class Acked(NamedTuple):
    """What the broker acknowledged for one batch: the offset of its first record (-1 if unknown) and its length."""

    base_offset: int
    records: int


class WriterFailedError(RuntimeError):
    """The broker did not take a write. It may still have taken parts: end the process, the replay repeats it."""


class RecordTooLargeError(ValueError):
    """A record, or a group that has to be written whole, does not fit into one batch. Nothing was written."""


@lru_cache(maxsize=1 << 16)
def partition_for(key: bytes, partitions: int) -> int:
    """Return the partition of a key: murmur2, as aiokafka and Java do it (librdkafka needs ``murmur2_random``)."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


class Writer:
    """A batch producer: ``acks=all``, partitions side by side, order kept within each.

    The batches of one partition go one after another, each after the acknowledgement of the one before. So what is
    durable after a crash is always a prefix of what was to be written.

    Args:
        bootstrap: ``host:port[,host:port]``.
        idempotent: Whether the broker hands out producer ids (``BrokerFlavour.idempotent``).
        client_id: Name shown in the broker's log.
        guard: Awaited right before each write leaves; ends the process if it may not write any more (``Lease.permit``).
        request_timeout_s: Seconds that one record may take with all its retries before ``WriterFailedError``.
        compression: ``gzip``, ``snappy``, ``lz4``, ``zstd`` or None.
        transactional_id: Set: ``transact`` is the way to write, and ``start`` fences the id's former users.
        transaction_timeout_s: After so long the broker aborts a transaction that nobody ends.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        idempotent: bool,
        client_id: str = "leadkeeper",
        guard: Callable[[], Awaitable[None]] | None = None,
        request_timeout_s: float = 20.0,
        compression: str | None = None,
        transactional_id: str | None = None,
        transaction_timeout_s: float = 60.0,
    ) -> None:
        """Keep the settings; ``start`` connects."""
        self.idempotent = idempotent
        self._transactional = transactional_id is not None
        self._settings: dict[str, Any] = {
            "bootstrap_servers": bootstrap,
            "client_id": client_id,
            "acks": "all",
            "enable_idempotence": idempotent,
            "linger_ms": 0,
            "max_batch_size": BATCH_BYTES,
            "request_timeout_ms": int(request_timeout_s * 1000),
            "compression_type": compression,
            "transactional_id": transactional_id,
            "transaction_timeout_ms": int(transaction_timeout_s * 1000),
        }
        self._guard = guard
        self._producer: AIOKafkaProducer | None = None
        self.records = 0
        self.batches = 0

    async def start(self) -> None:
        """Connect and, with idempotence, fetch a producer id."""
        self._producer = AIOKafkaProducer(**self._settings)
        if self._guard is not None:
            _guard_requests(self._producer, self._guard)
        await self._producer.start()
        if self._transactional:
            await self._producer.begin_transaction()  # waits for the producer id, and so for the fence
            await self._producer.abort_transaction()

    async def stop(self) -> None:
        """Close the connection. Everything produced was already acknowledged."""
        if self._producer is not None:
            await self._producer.stop()

    async def produce(
        self, records: Iterable[Record], last: Iterable[Record] = ()
    ) -> dict[tuple[str, int], list[Acked]]:
        """Write records and return when the broker has acknowledged all of them.

        Args:
            records: Any number, in the order wanted within each partition.
            last: Records that must be durable together and only after all ``records`` of their partition: an
                "applied up to" marker and tombstones. They share one batch, which the broker appends whole.

        Returns:
            Per ``(topic, partition)`` what was acknowledged, batch by batch.

        Raises:
            RecordTooLargeError: Something cannot fit into a batch; nothing was written.
            WriterFailedError: The broker did not acknowledge everything.
        """
        producer = self._producer
        if producer is None:
            raise WriterFailedError("the writer was not started: await writer.start() first")
        groups, tails = _by_partition(records), _by_partition(last)
        plans: dict[tuple[str, int], list[BatchBuilder]] = {}
        for at in {**groups, **tails}:
            plans[at] = _batches(producer, groups.get(at, ()), tails.get(at, ()))
            if len(plans[at]) > _LONG:
                await asyncio.sleep(0)  # packing a hundred thousand records takes the loop a second on a busy machine
        chains = (self._chain(producer, at, plan) for at, plan in plans.items())
        results = await asyncio.gather(*chains, return_exceptions=True)
        acked: dict[tuple[str, int], list[Acked]] = {}
        for at, result in zip(plans, results, strict=True):
            if isinstance(result, BaseException):
                # AssertionError is what aiokafka says to a partition that the topic does not have.
                if isinstance(result, KafkaError | OSError | TimeoutError | AssertionError):
                    hint = CLOCK if isinstance(result, InvalidTimestampError) else ""
                    raise WriterFailedError(f"{at[0]}[{at[1]}]: not acknowledged: {result!r}{hint}") from result
                raise result
            acked[at] = result
        return acked

    async def transact(
        self,
        records: Iterable[Record],
        last: Iterable[Record],
        offsets: Mapping[TopicPartition, int],
        group: str,
        may_commit: Callable[[], bool],
    ) -> dict[tuple[str, int], list[Acked]] | None:
        """Write records and commit offsets in one transaction; return when the broker has committed it.

        Args:
            records: As in ``produce``.
            last: As in ``produce``.
            offsets: Next offsets of the inbox, for the group.
            group: Whose offsets these are.
            may_commit: Asked before the commit; if it says no, all is aborted.

        Returns:
            As ``produce``; None when it was aborted.

        Raises:
            RecordTooLargeError: As in ``produce``.
            WriterFailedError: The transaction failed, or somebody else uses this id by now.
        """
        producer = self._producer
        if producer is None:
            raise WriterFailedError("the writer was not started: await writer.start() first")
        try:
            await producer.begin_transaction()
            acked = await self.produce(records, last)
            await producer.send_offsets_to_transaction(dict(offsets), group)
            if not may_commit():
                await producer.abort_transaction()
                return None
            if self._guard is not None:
                await self._guard()
            await producer.commit_transaction()
        except KafkaError as error:
            raise WriterFailedError(f"the transaction for {dict(offsets)} failed: {error!r}") from error
        return acked

    async def _chain(self, producer: AIOKafkaProducer, at: tuple[str, int], plan: list[BatchBuilder]) -> list[Acked]:
        acked: list[Acked] = []
        for batch in plan:
            count = batch.record_count()
            sent = await (await producer.send_batch(batch, at[0], partition=at[1]))
            acked.append(Acked(-1 if sent is None else sent.offset, count))
            self.batches += 1
            self.records += count
        return acked


def _by_partition(records: Iterable[Record]) -> dict[tuple[str, int], list[Record]]:
    """In order within each. Most come in runs of one partition, so that the table is asked once a run."""
    groups: dict[tuple[str, int], list[Record]] = {}
    topic, partition, put = "", -1, list[Record]().append
    for record in records:
        if record[1] != partition or record[0] != topic:
            topic, partition = record[0], record[1]
            put = groups.setdefault((topic, partition), []).append
        put(record)
    return groups


def _batches(producer: AIOKafkaProducer, records: Sequence[Record], last: Sequence[Record]) -> list[BatchBuilder]:
    """Pack one partition's records into batches of at most 1 MiB; ``last`` stays together in the final one."""
    plan = [producer.create_batch()]
    _fill(plan, producer, records)
    if last:
        tail = sum(_size(key, value, headers) for _, _, key, value, _, headers in last)
        if tail + _BATCH_HEADER > BATCH_BYTES:
            what = f"{len(last)} records, {tail} bytes"
            raise RecordTooLargeError(f"{last[0][0]}: {what}, must go as one; a batch holds {BATCH_BYTES}")
        if plan[-1].record_count() and plan[-1].size() + tail > BATCH_BYTES:
            plan.append(producer.create_batch())
        _fill(plan, producer, last)
    for batch in plan:
        batch.close()
    return plan


def _fill(plan: list[BatchBuilder], producer: AIOKafkaProducer, records: Sequence[Record]) -> None:
    """The hot loop of all writing, 0.2 us a record: aiokafka's own way to append, and to look at the clock, takes 0.2 more."""
    now, batch = int(time.time() * 1000), plan[-1]
    append, count = batch._builder.append, batch._relative_offset
    for topic, _, key, value, timestamp_ms, headers in records:
        # aiokafka lets the first record of a batch be of any size; the broker then refuses the batch.
        if value is not None and len(value) > _LARGE and _size(key, value, headers) + _BATCH_HEADER > BATCH_BYTES:
            raise RecordTooLargeError(f"{topic}: a record of {len(value)} bytes; a batch holds {BATCH_BYTES}")
        stamp = now if timestamp_ms is None else timestamp_ms
        while append(count, stamp, key, value, headers or _NO_HEADERS) is None:
            batch._relative_offset = count
            batch = producer.create_batch()
            plan.append(batch)
            append, count = batch._builder.append, 0
        count += 1
    batch._relative_offset = count


def _size(key: bytes | None, value: bytes | None, pairs: list[tuple[str, bytes]] | None) -> int:
    headers = sum(len(name) + len(content) + 10 for name, content in pairs or ())
    return len(key or b"") + len(value or b"") + headers + _RECORD_OVERHEAD


def _guard_requests(producer: AIOKafkaProducer, guard: Callable[[], Awaitable[None]]) -> None:
    # A paused process may wake up inside aiokafka's sender, before any code of ours: ask at the last moment.
    send = producer.client.send

    async def guarded(node_id: int, request: Any, **kwargs: Any) -> Any:
        if isinstance(request, ProduceRequest):
            await guard()
        return await send(node_id, request, **kwargs)

    producer.client.send = guarded
