"""Reads a topic from its start to its end."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition

_SILENCE_S = 1.0


async def records(bootstrap: str, topic: str) -> AsyncIterator[tuple[bytes | None, bytes | None]]:
    """Give key and value of every committed record, in order within each partition.

    The end is where the end offsets are reached and nothing more comes: the embedded broker's are too low.
    """
    reader = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=4 << 20,
        fetch_max_wait_ms=40,
    )
    await reader.start()
    try:
        numbers = (await reader._client.fetch_all_metadata()).partitions_for_topic(topic)
        tps = [TopicPartition(topic, number) for number in numbers]
        reader.assign(tps)
        await reader.seek_to_beginning(*tps)
        heard = time.monotonic()
        ends = await reader.end_offsets(tps)
        while time.monotonic() - heard < _SILENCE_S or any([await reader.position(tp) < ends[tp] for tp in tps]):
            for batch in (await reader.getmany(timeout_ms=200)).values():
                heard = time.monotonic()
                for record in batch:
                    yield record.key, record.value
    finally:
        await reader.stop()
