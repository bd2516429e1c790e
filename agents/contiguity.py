"""Law 1: per partition only contiguous offsets are delivered; a gap is fetched again, counted and never skipped.

Prevents the silent loss of records that were fetched and dropped around a rebalance: stock Faust books such a gap as
"compacted" and commits over it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from aiokafka import TopicPartition

from agents.log_probe import first_offset_from
from agents.rounds import Fetched, LaneSettings, LaneStats
from agents.safety import ExitCode, die

logger = logging.getLogger(__name__)


class Source(Protocol):
    """Where records come from."""

    async def seek_all(self, offsets: dict[TopicPartition, int]) -> None:
        """Fetch next from these offsets."""

    async def log_start(self, tp: TopicPartition) -> int:
        """Return the first offset that the log still has."""


class Contiguity:
    """Knows the next offset to deliver of each owned partition and lets nothing else through.

    Args:
        settings: On ``gappy_topics`` offsets may be missing by design; there the fetcher's position has to be contiguous.
        stats: Where rewinds, holes and losses are counted.
        source: Where to fetch again.

    Attributes:
        expect: The next offset to deliver, per owned partition.
    """

    def __init__(self, settings: LaneSettings, stats: LaneStats, source: Source) -> None:
        """Own nothing yet."""
        self.expect: dict[TopicPartition, int] = {}
        self._settings, self._stats, self._source = settings, stats, source
        self._suspects: dict[TopicPartition, tuple[int, int]] = {}  # the last gap: expected, found
        self._version = 0

    def clear(self) -> None:
        """Own nothing: every record that comes is dropped until ``expect`` is filled again."""
        self._version += 1
        self.expect.clear()
        self._suspects.clear()

    async def admit(
        self, tp: TopicPartition, batch: list[Fetched], span: tuple[int, int] | None = None
    ) -> list[Fetched]:
        """Return what of a batch may be delivered now, and expect what follows it.

        Args:
            tp: Where it comes from.
            batch: At least one record.
            span: The fetcher's position before and after, on a topic that may have holes.
        """
        version = self._version
        if span is not None:
            return batch if await self.follow(tp, span, batch[0].offset) else []
        kept = await self._sift(tp, batch)
        if version != self._version:  # a rebalance came while the broker was asked: nothing of before counts
            return []
        if kept:
            self.expect[tp] = kept[-1].offset + 1
        return kept

    async def follow(self, tp: TopicPartition, span: tuple[int, int], first: int | None = None) -> bool:
        """Go on to where the fetcher is, if it began where it should have; else fetch again.

        For topics with holes: what the fetcher passed over holds control records, or was compacted or aborted.
        """
        begin, end = span
        expect, version = self.expect.get(tp), self._version
        if expect is None:
            return False
        if begin != expect:
            await self._rewind(tp)
            return False
        if first is not None and first > expect:
            start = await self._source.log_start(tp)
            if version != self._version:
                return False
            if start > expect:
                self._lost(tp, expect, min(start, first) - expect)
        self.expect[tp] = end
        return True

    async def pass_over(self, tp: TopicPartition, span: tuple[int, int]) -> None:
        """Account for a fetcher that has moved on and brought nothing.

        Either there are no records, or they were lost on their way, and where they were the last of the log, none that
        comes after them would show it.
        """
        if tp.topic in self._settings.gappy_topics:
            await self.follow(tp, span)
        elif span[1] > self.expect.get(tp, span[1]) and await self._missing(tp, span[1]):
            self.expect[tp] = span[1]

    async def bring_back(self, tps: Iterable[TopicPartition]) -> None:
        """Fetch again from the next offset to deliver: for whatever was fetched and not delivered."""
        await self._source.seek_all({tp: self.expect[tp] for tp in tps if tp in self.expect})

    async def _sift(self, tp: TopicPartition, batch: list[Fetched]) -> list[Fetched]:
        expect = self.expect.get(tp)
        if expect is None:
            return []
        if batch[-1].offset < expect:
            await self._behind(tp, batch[-1].offset)
            return []
        if batch[0].offset < expect:
            batch = [record for record in batch if record.offset >= expect]
        if batch[0].offset > expect and not await self._missing(tp, batch[0].offset):
            return []
        whole = first_hole(batch)
        if whole < len(batch):
            self.expect[tp] = batch[whole - 1].offset + 1
            await self._rewind(tp)
        return batch[:whole]

    async def _missing(self, tp: TopicPartition, found: int) -> bool:
        """Fetch a missing offset again; return True only when the broker has shown that it does not exist."""
        expect, version = self.expect[tp], self._version
        start = await self._source.log_start(tp)
        if version != self._version:
            return False
        if start > expect:
            lost = min(start, found) - expect
            self._lost(tp, expect, lost)
            self.expect[tp] = expect = expect + lost
        if expect == found:
            return True
        have = await self._ask_again(tp, found)
        if have is None or have < found:
            await self._rewind(tp)
            return False
        self._stats.holes += found - expect
        logger.warning(
            "%s[%d]: the log has no offsets %d..%d; if it is compacted or written in transactions, set gappy_topics",
            *(tp.topic, tp.partition, expect, found - 1),
        )
        return True

    async def _behind(self, tp: TopicPartition, last: int) -> None:
        """Find out whether the log ends before the committed offset; fatal, for going on would skip or repeat."""
        expect, version = self.expect[tp], self._version
        have = await self._ask_again(tp, last)
        if have is not None and have < expect and version == self._version:
            die(
                ExitCode.CONFIG,
                f"{tp.topic}[{tp.partition}] has no offset {expect} that group {self._settings.group} committed: the "
                "topic was recreated or truncated; use a new group, or reset offsets and state together",
            )
        await self._rewind(tp)

    async def _ask_again(self, tp: TopicPartition, found: int) -> int | None:
        """Return what the broker itself has from the expected offset on; None at first sight, a new fetch will tell."""
        suspect = (self.expect[tp], found)
        if self._suspects.get(tp) != suspect:
            self._suspects[tp] = suspect
            return None
        isolation = self._settings.isolation
        return await first_offset_from(self._settings.bootstrap, TopicPartition(*tp), suspect[0], isolation)

    def _lost(self, tp: TopicPartition, offset: int, records: int) -> None:
        self._stats.data_loss += records
        logger.critical("DATA LOSS %s[%d]: offsets %d..%d were deleted unread", *tp, offset, offset + records - 1)

    async def _rewind(self, tp: TopicPartition) -> None:
        self._stats.rewinds += 1
        await self.bring_back([tp])


def first_hole(batch: Sequence[Fetched]) -> int:
    """Return the length of the contiguous start of a batch."""
    start = batch[0].offset
    if batch[-1].offset - start == len(batch) - 1:
        return len(batch)
    return next(index for index, record in enumerate(batch) if record.offset != start + index)
