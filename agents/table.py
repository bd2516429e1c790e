"""Durable state on a compacted topic: written before it counts, read back before it is used (law 7).

Faust's own tables skip changelog records that they cannot apply, judge the end by a highwater that compaction or
control records can put out of reach, and replay everything at every assignment. This one reads only the tail it does
not know, stops at a mark it wrote itself, and stops the process rather than skip a record.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents import memory
from agents.bare import make_bare
from agents.rounds import Fetched
from agents.writer import Acked, Out, Record, Writer
from schemas.errors import StateUnreadable

logger = logging.getLogger(__name__)

# The reader's mark; no key of ours starts with a zero byte. Compaction keeps one per partition.
BARRIER_KEY = b"\x00barrier"
_POLL_MS = 1_000
_POLL_RECORDS = 10_000  # some ms of applying: the loop, its lease and its heartbeats must go on
_SILENCE_S = 60.0

Entry = tuple[bytes, bytes | None, int]
"""Key, value (None = gone) and offset of a record."""
Apply = Callable[[Sequence[Entry]], None]


def one_by_one(apply: Callable[[bytes, bytes | None, int], None]) -> Apply:
    """Apply entries that are few with a function for one; what goes wrong names the offset."""

    def all_of(entries: Sequence[Entry]) -> None:
        for key, value, offset in entries:
            try:
                apply(key, value, offset)
            except Exception as error:
                raise StateUnreadable(f"offset {offset}: {error!r}") from error

    return all_of


@dataclass
class TableStats:
    """What metrics may export."""

    recovered_records: int = 0
    recovery_s: float = 0.0
    foreign_writes: int = 0


class Changelog:
    """The state of several partitions on one compacted topic.

    Prevents lost and half-read state: a write returns when the broker has it; a recovery ends at a barrier record that
    it wrote itself, so everything acknowledged to whoever owned the partition before lies in front of it. That holds
    also where ``end_offsets`` is too low (embedded broker) or the last records were compacted away.

    ``apply`` gets records in log order, and a paused former owner's last write may come after newer ones: state that
    carries a guard offset must not go backwards (ignore what is older than what is held).

    Args:
        topic: The compacted topic, with as many partitions as the input.
        writer: Shared with the outputs, if wanted; started and stopped by its owner.
        bootstrap: ``host:port[,host:port]`` for the reader.
        fetch_max_wait_ms: Longest wait of one fetch (``BrokerFlavour.fetch_max_wait_ms``).
    """

    def __init__(self, topic: str, writer: Writer, bootstrap: str, *, fetch_max_wait_ms: int = 500) -> None:
        """Keep the settings; a reader is made when one is needed."""
        self.topic = topic
        self.stats = TableStats()
        self._writer = writer
        self._bootstrap = bootstrap
        self._wait_ms = fetch_max_wait_ms
        self._isolation = "read_committed" if writer.idempotent else "read_uncommitted"
        self._known: dict[int, int] = {}
        self._behind: set[int] = set()  # partitions with a foreign record after the known position

    def known(self, partition: int) -> int | None:
        """Return the offset up to which this process has applied or written everything; None = nothing known."""
        return self._known.get(partition)

    def forget(self, partition: int) -> None:
        """Drop what is known of a partition: its in-memory state was dropped or is not what the changelog says."""
        self._known.pop(partition, None)
        self._behind.discard(partition)

    async def recover(self, partition: int, apply: Apply) -> int:
        """Read a partition from the last known position to its end.

        Safe to cancel: the known position only covers what was applied.

        Args:
            partition: Which one.
            apply: Called with what was read, some thousands at a time, in order.

        Returns:
            The number of records applied.

        Raises:
            StateUnreadable: A record cannot be applied, or the log does not deliver it.
        """
        return (await self.recover_all([partition], lambda _: apply))[partition]

    async def recover_all(self, partitions: Iterable[int], apply_for: Callable[[int], Apply]) -> dict[int, int]:
        """Recover several partitions with one reader, side by side; see ``recover``.

        Args:
            partitions: Which ones.
            apply_for: Gives the function to call for the records of a partition.

        Returns:
            Records applied, per partition.
        """
        wanted = sorted(set(partitions))
        if not wanted:
            return {}
        began = time.monotonic()
        marks = [Out(self.topic, partition, BARRIER_KEY, b"") for partition in wanted]
        acked = await self._writer.produce(marks)
        ends = {TopicPartition(self.topic, p): acked[self.topic, p][-1].base_offset for p in wanted}
        counts = await self._read_to(ends, apply_for)
        memory.trim()
        self.stats.recovered_records += sum(counts.values())
        self.stats.recovery_s += time.monotonic() - began
        return counts

    async def write(
        self, records: Mapping[int, Iterable[Record]], last: Mapping[int, Iterable[Record]] | None = None
    ) -> None:
        """Write state and return when the broker has it.

        Args:
            records: Per partition, the records in order. A None value is a tombstone.
            last: Per partition, what must become durable together and after all ``records``; see ``Writer.produce``.

        Raises:
            WriterFailedError: The broker did not take all of it; end the process.
        """
        tails = last or {}
        acked = await self._writer.produce(
            (record for group in records.values() for record in group),
            (record for group in tails.values() for record in group),
        )
        self.wrote(acked)

    def wrote(self, acked: Mapping[tuple[str, int], Iterable[Acked]], markers: int = 0) -> None:
        """Note what of it the broker has taken.

        Args:
            acked: As ``Writer.produce`` and ``Writer.transact`` return it.
            markers: Control records that follow in each partition: a transaction ends with one.
        """
        for (topic, partition), batches in acked.items():
            if topic == self.topic:
                for base_offset, count in batches:
                    self._advance(partition, base_offset, count)
                if partition in self._known and partition not in self._behind:
                    self._known[partition] += markers

    def _advance(self, partition: int, base_offset: int, count: int) -> None:
        known = self._known.get(partition)
        if known == base_offset:
            self._known[partition] = base_offset + count
        elif known is not None and base_offset > known and partition not in self._behind:
            # Not ours: a former owner's last write landed in between. Stay in front of it; it is read next time.
            self._behind.add(partition)
            self.stats.foreign_writes += 1
            logger.info("%s[%d]: somebody else wrote offsets %d..%d", self.topic, partition, known, base_offset - 1)

    async def _read_to(self, ends: dict[TopicPartition, int], apply_for: Callable[[int], Apply]) -> dict[int, int]:
        reader = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=self._wait_ms,
            max_partition_fetch_bytes=4 << 20,
            isolation_level=self._isolation,
        )
        await reader.start()
        make_bare(reader)
        try:
            return await self._read(reader, ends, apply_for)
        except KafkaError as error:
            raise StateUnreadable(
                f"{self.topic}: reading partitions {sorted(tp.partition for tp in ends)} failed: {error!r}"
            ) from error
        finally:
            await reader.stop()

    async def _read(
        self, reader: AIOKafkaConsumer, ends: dict[TopicPartition, int], apply_for: Callable[[int], Apply]
    ) -> dict[int, int]:
        reader.assign(list(ends))
        for tp in ends:
            if (start := self._known.get(tp.partition)) is None:
                await reader.seek_to_beginning(tp)
            else:
                reader.seek(tp, start)
        counts = {tp.partition: 0 for tp in ends}
        applies = {tp.partition: apply_for(tp.partition) for tp in ends}
        open_tps = dict(ends)
        heard = time.monotonic()
        while open_tps:
            fetched = await reader.getmany(*open_tps, timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
            if fetched:
                heard = time.monotonic()
            elif time.monotonic() - heard > _SILENCE_S:
                raise StateUnreadable(f"{self.topic}: silent for {_SILENCE_S:g} s before these ends: {open_tps}")
            for tp, batch in fetched.items():
                counts[tp.partition] += self._apply(tp, batch, applies[tp.partition])
                self._known[tp.partition] = max(self._known.get(tp.partition, 0), batch[-1].offset + 1)
                if batch[-1].offset >= open_tps[tp]:
                    del open_tps[tp]
                    self._behind.discard(tp.partition)
            await asyncio.sleep(0)
        return counts

    def _apply(self, tp: TopicPartition, batch: list[Fetched], apply: Apply) -> int:
        where = f"{tp.topic}[{tp.partition}]"
        entries = [(record.key or b"", record.value, record.offset) for record in batch if record.key != BARRIER_KEY]
        if nameless := [offset for key, _, offset in entries if not key]:
            raise StateUnreadable(
                f"{where} offset {nameless[0]}: a state record without a key; delete it or restore the topic"
            )
        try:
            apply(entries)
        except Exception as error:
            words = str(error) if isinstance(error, StateUnreadable) else repr(error)
            raise StateUnreadable(f"{where} {words}; every version ever written must be known") from error
        return len(entries)
