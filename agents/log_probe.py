"""Asks a broker what a log really holds, past everything that the lane's own fetcher may believe."""

from __future__ import annotations

import time

from aiokafka import AIOKafkaConsumer, TopicPartition

_WAIT_S = 5.0
_POLL_MS = 200


async def first_offset_from(
    bootstrap: str, tp: TopicPartition, offset: int, isolation: str = "read_uncommitted"
) -> int | None:
    """Read one record from an offset with a consumer of its own.

    Args:
        bootstrap: ``host:port[,host:port]``.
        tp: Which log.
        offset: Where to start.
        isolation: With ``read_committed``, what was aborted does not exist.

    Returns:
        The offset of the first record found: ``offset`` if it exists, more if it does not, less if the log ends before
        it (the read then starts over at the log's first record). Where the log goes on with no record at all, the offset
        after that. None if nothing came within 5 s.
    """
    reader = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
        isolation_level=isolation,
    )
    await reader.start()
    try:
        reader.assign([tp])
        reader.seek(tp, offset)
        deadline = time.monotonic() + _WAIT_S
        while time.monotonic() < deadline:
            fetched = await reader.getmany(tp, timeout_ms=_POLL_MS, max_records=1)
            for batch in fetched.values():
                return int(batch[0].offset)
            if (passed := await reader.position(tp)) > offset:
                return int(passed)
        return None
    finally:
        await reader.stop()
