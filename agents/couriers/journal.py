"""Durable writes of many commands at once: whoever waits while a write is under way shares the next one."""

import asyncio
from collections.abc import Callable, Iterable

from agents.table import Changelog
from agents.writer import Out

Waiting = tuple[list[Out], asyncio.Future[None]]


class OwnershipLostError(RuntimeError):
    """The partitions have moved: what this round would write is another courier's to write."""


class Journal:
    """Writes ledger entries, receipts and dead letters.

    Args:
        changelog: The ledger's topic, shared writer inside.
    """

    def __init__(self, changelog: Changelog) -> None:
        """Start with nothing to write."""
        self._changelog = changelog
        self._next: list[Waiting] = []
        self._writing = asyncio.Lock()
        self.may_write: Callable[[], bool] = lambda: False

    async def write(self, records: Iterable[Out]) -> None:
        """Return when the broker has the records.

        Raises:
            OwnershipLostError: None of them was written.
            WriterFailedError: The broker did not take all; end the process.
        """
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._next.append((list(records), mine))
        async with self._writing:
            if not mine.done():
                group, self._next = self._next, []
                await self._write(group)
        await mine

    async def _write(self, group: list[Waiting]) -> None:
        failure: Exception | None = None
        by_partition: dict[int, list[Out]] = {}
        for records, _ in group:
            for record in records:
                by_partition.setdefault(record.partition, []).append(record)
        if self.may_write():
            try:
                await self._changelog.write(by_partition)
            except Exception as error:  # noqa: BLE001 - passed on to everybody who waits
                failure = error
        else:
            failure = OwnershipLostError("not the owner any more")
        for _, waiter in group:
            if waiter.done():
                continue
            if failure is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(failure)
                waiter.exception()  # noted as seen: a waiter that was cancelled will not ask
