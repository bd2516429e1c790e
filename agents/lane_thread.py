"""The lane's side of aiokafka: a consumer in a thread of its own, so that heartbeats go on while the fold computes."""

# ruff: noqa: SLF001  # what has no public door in aiokafka: the coordinator. Versions are pinned for this (law 8).

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.group_coordinator import OffsetCommitRequest
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import IllegalStateError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from agents.bare import make_bare
from agents.rounds import Fetched

if TYPE_CHECKING:
    from agents.lane import Lane

Batches = dict[TopicPartition, list[Fetched]]
Spans = dict[TopicPartition, tuple[int, int]]
"""The fetcher's position before and after a fetch; what lies between and was not returned holds no records, or was lost."""

_FETCH_BYTES = 1 << 20


_NEVER_IDLE_MS = 315_360_000_000  # ten years: a blocked worker must not leave its group by itself; the watchdog ends it


class LaneThread(AIOKafkaConsumerThread):
    """Faust's consumer thread with our consumer settings, and with calls that Faust does not have."""

    consumer: Lane

    def _create_worker_consumer(self, _: Any) -> AIOKafkaConsumer:
        # Faust's own version fixes fetch_max_wait_ms at 1500, and the embedded broker holds every fetch for all of it.
        settings = self.consumer.settings
        return AIOKafkaConsumer(
            bootstrap_servers=settings.bootstrap,
            group_id=settings.group,
            client_id=settings.client_id,
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=settings.max_records,
            max_poll_interval_ms=_NEVER_IDLE_MS,
            max_partition_fetch_bytes=_FETCH_BYTES,
            isolation_level=settings.isolation,
            fetch_max_wait_ms=settings.fetch_max_wait_ms,
            session_timeout_ms=int(settings.session_s * 1000),
            heartbeat_interval_ms=int((settings.heartbeat_s or 0) * 1000),
            rebalance_timeout_ms=int(settings.rebalance_timeout_s * 1000),
        )

    async def on_start(self) -> None:
        """Start the consumer and tell the lease of every heartbeat."""
        await super().on_start()
        consumer, lease = self._ensure_consumer(), self.consumer.lease
        make_bare(consumer)
        coordinator = consumer._coordinator
        beat = coordinator._do_heartbeat

        async def beaten() -> bool:
            alive = bool(await beat())
            if alive:
                lease.joined()
            elif coordinator.generation == OffsetCommitRequest.DEFAULT_GENERATION_ID:
                lease.lapsed()
            return alive

        coordinator._do_heartbeat = beaten

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        """Tell the lease of the new membership, then Faust."""
        self.consumer.lease.joined()
        await super().on_partitions_assigned(assigned, generation_id)

    # -- called from the app's loop

    async def fetch(self, active: set[Any], timeout: float, max_records: int) -> tuple[Batches, Spans]:
        """Return what came in on ``active`` partitions, at most ``max_records``; waits up to ``timeout`` seconds.

        Returns:
            The records, and the spans of the partitions whose topics may have holes, or that gave none: of others than
            the former only the position after it, twice.
        """
        batches, spans = await self.call_thread(self._fetch_spans, active, timeout, max_records)
        return batches, spans

    async def seek_all(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Fetch next from these offsets; partitions that were taken away meanwhile are left out."""
        if offsets:
            await self.call_thread(self._seek_all, offsets)

    async def start_positions(self) -> tuple[dict[TopicPartition, int], set[TopicPartition]]:
        """Seek every assigned partition to its committed offset, else to the first one of its log.

        Returns:
            The offsets, and the partitions that had none committed.
        """
        offsets, fresh = await self.call_thread(self._start_positions)
        return offsets, fresh

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit.

        Raises:
            CommitFailedError: The group has rebalanced.
            KafkaError: Anything else that went wrong.
        """
        await self.call_thread(self._commit_owned, offsets)

    def live_generation(self) -> int:
        """Return the generation the coordinator would use now; -1 once the group has thrown this member out."""
        return int(self._ensure_consumer()._coordinator.generation)

    def coordinator_dead(self) -> bool:
        """Say whether the task that keeps the membership has ended, or waits for a rejoin."""
        coordinator = getattr(self._consumer, "_coordinator", None)
        return coordinator is not None and (
            coordinator._coordination_task.done() or coordinator._rejoin_needed_fut.done()
        )

    def lags(self, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return, for each partition, the records from a position to the end of the log as last heard."""
        lags: dict[TopicPartition, int] = {}
        for tp, position in positions.items():
            try:
                lags[tp] = max(0, (self._ensure_consumer().highwater(tp) or 0) - position)
            except (IllegalStateError, AssertionError):
                continue  # not assigned any more
        return lags

    # -- run in the consumer's thread

    async def _fetch_spans(self, active: set[Any], timeout: float, max_records: int) -> tuple[Batches, Spans]:
        consumer, gappy = self._ensure_consumer(), self.consumer.settings.gappy_topics
        before = self._positions(tp for tp in active if tp.topic in gappy)
        fetched = await self._fetch_records(consumer, active, timeout=timeout, max_records=max_records) or {}
        after = self._positions(tp for tp in active if tp not in fetched or tp in before)
        return dict(fetched), {tp: (before.get(tp, end), end) for tp, end in after.items()}

    def _positions(self, tps: Iterable[Any]) -> dict[TopicPartition, int]:
        subscription = self._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        states = {tp: assignment.state_value(tp) for tp in tps} if assignment is not None else {}
        return {tp: s.position for tp, s in states.items() if s is not None and s.has_valid_position}

    async def _seek_all(self, offsets: Mapping[TopicPartition, int]) -> None:
        consumer = self._ensure_consumer()
        owned = consumer.assignment()
        for tp, offset in offsets.items():
            if tp in owned:
                consumer.seek(TopicPartition(*tp), offset)

    async def _start_positions(self) -> tuple[dict[TopicPartition, int], set[TopicPartition]]:
        consumer = self._ensure_consumer()
        owned = consumer.assignment()
        committed = await consumer._coordinator.fetch_committed_offsets(list(owned))
        offsets = {tp: found.offset for tp, found in committed.items()}
        fresh = owned - offsets.keys()
        if fresh:
            offsets.update(await consumer.beginning_offsets(list(fresh)))
        for tp, offset in offsets.items():
            consumer.seek(tp, offset)
        return offsets, set(fresh)

    async def _commit_owned(self, offsets: Mapping[TopicPartition, int]) -> None:
        consumer = self._ensure_consumer()
        owned = consumer.assignment()
        mine = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items() if tp in owned}
        if mine:
            await consumer.commit(mine)
