"""Reads topics to their end, for people: timelines, dead letters, what happened. No group, nothing committed."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from agents.broker import probe
from schemas.errors import Unavailable

QUIET_MS = 400
"""A partition that brings nothing for this long, having reached the end it gave, is read."""


async def read_topics(
    bootstrap: str,
    names: Iterable[str],
    partition: int | None = None,
    since: Mapping[tuple[str, int], int] | None = None,
) -> AsyncIterator[ConsumerRecord]:
    """All records of these topics (of one partition each, or of all), in order within each partition.

    Args:
        bootstrap: `host:port[,host:port]`.
        names: Full names.
        partition: Of each; None: all.
        since: (topic, partition) -> offset to begin at; left out: the beginning. So does what no longer exists there.

    Raises:
        Unavailable: A topic does not exist.
    """
    flavour = await probe(bootstrap)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=min(flavour.fetch_max_wait_ms, 100),
        max_partition_fetch_bytes=4 << 20,
        isolation_level=flavour.isolation,
    )
    await consumer.start()
    try:
        there = await consumer.topics()
        tps = []
        for name in names:
            if name not in there:
                raise Unavailable(f"topic {name} does not exist: `leadkeeper topics create`")
            await consumer._client.add_topic(name)  # noqa: SLF001 - aiokafka knows partitions only of topics it follows
            numbers = sorted(consumer.partitions_for_topic(name) or ())
            tps += [TopicPartition(name, n) for n in numbers if partition in (None, n)]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        for tp in tps:
            if since and tp in since:
                consumer.seek(tp, since[tp])
            else:
                await consumer.seek_to_beginning(tp)
        open_tps = {tp for tp in tps if ends[tp] > 0}
        while open_tps:
            fetched = await consumer.getmany(*open_tps, timeout_ms=QUIET_MS, max_records=5000)
            for batch in fetched.values():
                for record in batch:
                    yield record
            for tp in list(open_tps):
                # The embedded broker's end is too low after batches, so the high watermark of a fetch counts where it is known.
                end = max(ends[tp], consumer.highwater(tp) or 0)
                if await consumer.position(tp) >= end or (not fetched and await consumer.position(tp) >= ends[tp]):
                    open_tps.discard(tp)
    finally:
        await consumer.stop()


async def read_json(
    bootstrap: str, names: Iterable[str], partition: int | None = None
) -> AsyncIterator[tuple[ConsumerRecord, dict[str, Any]]]:
    """The same for topics that carry JSON objects; other records are left out."""
    async for record in read_topics(bootstrap, names, partition):
        try:
            body = json.loads(record.value) if record.value else None
        except ValueError:
            continue
        if isinstance(body, dict):
            yield record, body
