"""Exactly once, where the broker can: outputs, state and offset of a round become visible together or not at all.

Each partition of the inbox has a transactional id of its own, since aiokafka's transactions are not fenced by the group's
generation: whoever takes a partition over asks for its id, and with that the broker aborts what the former owner left
open and refuses whatever it still sends. Readers have to read `read_committed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

from aiokafka import TopicPartition

from agents.writer import Acked, Record, Writer


class Piece(NamedTuple):
    """What a round means for one inbox partition.

    Attributes:
        outputs: Records for others.
        state: Records of the changelog.
        last: What closes them, in one batch.
        end: The offset after the round.
    """

    outputs: list[Record]
    state: list[Record]
    last: list[Record]
    end: int


class Atomic:
    """A transactional producer for each inbox partition that is owned.

    Args:
        bootstrap: ``host:port[,host:port]``.
        name: Transactional ids are ``<name>-<partition>``.
        group: Consumer group whose offsets are committed with the transaction.
        guard: See `Writer`.
        timeout_s: After so long the broker aborts a transaction that nobody ends.
    """

    def __init__(
        self, bootstrap: str, name: str, group: str, guard: Callable[[], Awaitable[None]], timeout_s: float
    ) -> None:
        """Own nothing yet."""
        self._bootstrap, self._name, self._group = bootstrap, name, group
        self._guard, self._timeout_s = guard, timeout_s
        self._writers: dict[int, Writer] = {}

    async def own(self, partitions: Iterable[int]) -> None:
        """Begin anew with these partitions: fence whoever wrote before, also this process in an earlier generation."""
        await self.stop()
        for number in partitions:
            name = f"{self._name}-{number}"
            self._writers[number] = Writer(
                self._bootstrap,
                idempotent=True,
                client_id=name,
                guard=self._guard,
                transactional_id=name,
                transaction_timeout_s=self._timeout_s,
            )
        await asyncio.gather(*(writer.start() for writer in self._writers.values()))

    async def stop(self) -> None:
        """Close the connections."""
        writers, self._writers = self._writers, {}
        await asyncio.gather(*(writer.stop() for writer in writers.values()))

    async def write(
        self, pieces: Mapping[TopicPartition, Piece], may_commit: Callable[[], bool]
    ) -> dict[tuple[str, int], list[Acked]] | None:
        """Write the pieces of a round, each in a transaction, side by side.

        Returns:
            What was acknowledged, or None when a transaction was given up because it may not be committed any more.

        Raises:
            WriterFailedError: A transaction failed; whether it was committed is not known. End the process.
        """

        async def one(tp: TopicPartition, piece: Piece) -> dict[tuple[str, int], list[Acked]] | None:
            records = (*piece.outputs, *piece.state)
            offsets = {TopicPartition(*tp): piece.end}
            return await self._writers[tp.partition].transact(records, piece.last, offsets, self._group, may_commit)

        results = await asyncio.gather(*(one(tp, piece) for tp, piece in pieces.items()))
        acked: dict[tuple[str, int], list[Acked]] = {}
        for result in results:
            if result is None:
                return None
            acked.update(result)
        return acked
