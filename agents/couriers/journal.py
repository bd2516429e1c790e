"""Durable writes of many commands at once: whoever waits while a write is under way shares the next one."""

import asyncio
from collections.abc import Callable, Iterable

from agents.table import Changelog
from agents.writer import Out


class OwnershipLost(RuntimeError):
    """The partitions have moved: what this round would write is another courier's to write."""


class Journal:
    """Writes ledger entries, receipts and dead letters.

    Args:
        changelog: The ledger's topic, shared writer inside.
    """

    def __init__(self, changelog: Changelog) -> None:
        """Start with nothing to write."""
        self._changelog = changelog
        self._next: list[tuple[list[Out], asyncio.Future[None]]] = []
        self._writing = asyncio.Lock()
        self.may_write: Callable[[], bool] = lambda: False

    async def write(self, records: Iterable[Out]) -> None:
        """Return when the broker has the records.

        Raises:
            OwnershipLost: Nothing of them was written.
            WriterFailedError: The broker did not take all; end the process.
        """
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next.append((list(records), mine))
        async with self._writing:
            if not mine.done():
                await self._write_waiting()
        await mine

    async def _write_waiting(self) -> None:
        group, self._next = self._next, []
        try:
            if not self.may_write():
                raise OwnershipLost("not the owner any more")
            by_partition: dict[int, list[Out]] = {}
            for records, _ in group:
                for record in records:
                    by_partition.setdefault(record.partition, []).append(record)
            await self._changelog.write(by_partition)
        except BaseException as error:
            for _, waiter in group:
                if not waiter.done():
                    waiter.set_exception(error if isinstance(error, Exception) else OwnershipLost(repr(error)))
                    waiter.exception()  # seen: a waiter that was cancelled will not ask
            if not isinstance(error, Exception):
                raise
        else:
            for _, waiter in group:
                if not waiter.done():
                    waiter.set_result(None)
