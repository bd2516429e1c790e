"""Follows `policies` while a worker runs: what is announced there is at hand before the inbox asks for it.

No group and no commits: every worker reads all of it. `catch_up` answers the question "is it not there, or have I not read
it yet?": it writes a mark and returns when it has read that far, since the ends that brokers tell may be too low.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.safety import ExitCode, die
from agents.table import BARRIER_KEY
from agents.writer import Out, Writer

logger = logging.getLogger(__name__)

Take = Callable[[bytes, bytes | None], Awaitable[None]]
"""Called with key and value (None: withdrawn) of each record, one after the other."""
_WAIT_MS = 500
"""Longest wait of a fetch that brings nothing."""
_CATCH_UP_S = 30.0


class Announced:
    """One worker's reader of `policies`.

    Args:
        bootstrap: `host:port[,host:port]`.
        topic: Its full name.
        partitions: Of it.
        writer: For marks; started and stopped by its owner.
        take: What to do with a record.
    """

    def __init__(self, bootstrap: str, topic: str, partitions: int, writer: Writer, take: Take) -> None:
        """Nothing is read yet."""
        self._bootstrap, self._writer, self._take = bootstrap, writer, take
        self._tps = [TopicPartition(topic, n) for n in range(partitions)]
        self._read = dict.fromkeys(self._tps, -1)
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, and read on and on."""
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_WAIT_MS,
            max_partition_fetch_bytes=4 << 20,
        )
        await self._consumer.start()
        self._consumer.assign(self._tps)
        await self._consumer.seek_to_beginning(*self._tps)
        self._task = asyncio.create_task(self._follow())
        self._task.add_done_callback(_ended)

    async def stop(self) -> None:
        """Read no more."""
        if self._task is not None:
            self._task.cancel()
            await self._consumer.stop()

    async def catch_up(self) -> None:
        """Return when everything that was announced before this call has been taken.

        Raises:
            TimeoutError: The broker does not bring it.
        """
        marks = await self._writer.produce([Out(tp.topic, tp.partition, BARRIER_KEY, None) for tp in self._tps])
        ends = {tp: marks[tp][-1].base_offset for tp in self._tps}
        async with asyncio.timeout(_CATCH_UP_S):
            while any(self._read[tp] < end for tp, end in ends.items()):
                self._moved.clear()
                await self._moved.wait()

    async def _follow(self) -> None:
        while True:
            fetched = await self._consumer.getmany(timeout_ms=60_000)
            for tp, batch in fetched.items():
                for record in batch:
                    if record.key not in {None, BARRIER_KEY}:
                        await self._take(record.key, record.value)
                self._read[tp] = batch[-1].offset
            self._moved.set()


def _ended(task: asyncio.Task[None]) -> None:
    """A worker that hears no more announcements would sooner or later judge otherwise than the log says."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("reading announcements failed", exc_info=error)
        die(ExitCode.ZOMBIE, f"reading announcements failed: {error!r}")
