"""Asks a broker what a log really holds, past everything that the lane's own fetcher may believe."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, TopicPartition

_WAIT_MS = 5_000


async def first_offset_from(bootstrap: str, tp: TopicPartition, offset: int) -> int | None:
    """Read one record from an offset with a consumer of its own.

    Args:
        bootstrap: ``host:port[,host:port]``.
        tp: Which log.
        offset: Where to start.

    Returns:
        The offset of the first record found: ``offset`` if it exists, more if it does not, less if the log ends before
        it (the read then starts over at the log's first record). None if nothing came within 5 s.
    """
    reader = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
    )
    await reader.start()
    try:
        reader.assign([tp])
        reader.seek(tp, offset)
        fetched = await reader.getmany(tp, timeout_ms=_WAIT_MS, max_records=1)
        return next((record.offset for batch in fetched.values() for record in batch), None)
    finally:
        await reader.stop()
