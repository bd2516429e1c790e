"""The lead agent: hands rounds of the inbox to the fold and makes what follows durable, in the order that loses nothing.

Guard -> fold -> outputs acknowledged by the broker -> still the owner? -> state acknowledged -> done. A crash anywhere leads to
the same ids and the same state when the records come again.
"""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial

from aiokafka import TopicPartition

from agents import metrics
from agents.announced import Announced
from agents.atomic import Atomic, Piece
from agents.lane import Lane, Round
from agents.lead_figures import LeadFigures, export_leads
from agents.library import Library
from agents.rounds import Fetched
from agents.safety import ExitCode, die, retry
from agents.serve import HealthServer
from agents.settings import LeadSettings
from agents.suspects import Part, suspects_of
from agents.table import Changelog
from agents.ticks import BUDGET_S, Pace, ticks_for
from agents.writer import Record, Writer, partition_for
from schemas import topics
from schemas.errors import Unavailable
from streams.breaker import DlqBreaker
from streams.lead import fold_together
from streams.partition import EPOCH_BITS, Folded, Message, Partition
from streams.poison import condemn
from streams.rollout import Versions, in_use
from streams.suppression import TALLY

logger = logging.getLogger(__name__)

SLICE = 1000
"""Records folded at a time: the dead-letter breaker looks between slices."""
HEAVY = 300
"""Rounds with more records, or with a tick, are folded in a thread, so that the loop keeps its lease.

So is what changed for very many leads made ready to be written: a tick may visit a million."""


class LeadJob:
    """A `RoundHandler` for `lead.events`."""

    def __init__(self, settings: LeadSettings, partitions: int) -> None:
        """`partitions`: of the inbox, and so of every topic."""
        self._settings = settings
        self._prefix = settings.topic_prefix
        self._partitions = partitions
        self._names = {
            topic.name: self._prefix + topic.name for topic in (*topics.LEAD_AGENT_WRITES, topics.EVENTS_DLQ)
        }
        self._library = Library(settings, partial(partition_for, partitions=partitions), partitions)
        self._leads: dict[int, Partition] = {}
        self._breakers: dict[int, DlqBreaker] = {}
        self._base = settings.epoch << EPOCH_BITS
        self._atomic: Atomic | None = None
        self._told = LeadFigures(live=settings.clock == "wall")
        self._pace, self._next_tick = Pace(), 0.0

    # -- life cycle

    async def setup(self, lane: Lane) -> None:
        """Connect."""
        idempotent = bool(lane.settings.idempotent)
        bootstrap, wait = self._settings.bootstrap, lane.settings.fetch_max_wait_ms or 500
        self._lane = lane
        self._writer = Writer(bootstrap, idempotent=idempotent, client_id="lead-agent", guard=lane.lease.permit)
        await self._writer.start()
        self._changelog = Changelog(self._prefix + topics.STATE.name, self._writer, bootstrap, fetch_max_wait_ms=wait)
        topic = self._prefix + topics.POLICIES.name
        self._announced = Announced(bootstrap, topic, self._partitions, self._writer, self._library.take)
        await self._announced.start()
        host, port = self._settings.metrics_host, self._settings.metrics_port
        self._server = HealthServer(lane, host, port, self._export, lambda: self._told.progress(self._owned()))
        await self._server.start()
        logger.info("metrics at http://%s:%d/metrics", self._settings.metrics_host, self._server.port)
        if self._settings.exactly_once:
            if not idempotent:
                die(ExitCode.CONFIG, "LEADKEEPER_EXACTLY_ONCE: this broker has no transactions; leave it unset")
            ids = f"{self._prefix}lead-agent"
            limit_s = lane.settings.rebalance_timeout_s
            self._atomic = Atomic(bootstrap, ids, lane.settings.group, lane.lease.permit, limit_s)
        self._suspects = suspects_of(self._settings, self._base)
        if self._settings.clock == "wall":
            self._next_tick = time.monotonic() + self._settings.tick_s
            lane.every(self._settings.tick_s / math.ceil(self._settings.tick_s), self._tick)

    async def teardown(self) -> None:
        """Disconnect."""
        await self._server.stop()
        self._suspects.close()
        await self._announced.stop()
        if self._atomic is not None:
            await self._atomic.stop()
        await self._writer.stop()

    async def on_assigned(self, tps: frozenset[TopicPartition]) -> None:
        """Bring the state of all owned partitions up to the end of the changelog."""
        numbers = [tp.partition for tp in tps]
        if self._atomic is not None:
            await self._atomic.own(numbers)
        for number in numbers:
            self._leads.setdefault(number, Partition(number))
            self._breakers.setdefault(number, DlqBreaker())

        await self._changelog.recover_all(numbers, lambda number: self._leads[number].restore)
        applied = {tp: self._leads[tp.partition].state.applied for tp in tps}
        self._check_log(applied, await self._ends(tps))
        self._suspects.own(applied)
        await self._require({versions for p in self._leads.values() for versions in in_use(p.state)})
        self._library.at_once = True

    async def on_abandoned(self, tps: frozenset[TopicPartition]) -> None:
        """The fold worked in place, and its round was dropped: read the state back."""
        for tp in tps:
            self._leads.pop(tp.partition, None)
            self._changelog.forget(tp.partition)

    async def on_revoked(self, tps: frozenset[TopicPartition]) -> None:
        """Keep the leads: if they come back, only the tail of the changelog is read. A breaker starts anew with its owner."""
        for tp in tps:
            self._breakers.pop(tp.partition, None)

    # -- the turn

    async def process(self, round_: Round, lane: Lane) -> None:
        """One round, in the order of the module docstring."""
        self._library.spare({used.model for partition in self._leads.values() for used in in_use(partition.state)})
        for part in self._suspects.parts(round_.batches):
            left = {tp: batch for tp, batch in part.batches.items() if tp not in lane.stats.paused}
            if left and not await self._do(Round(round_.generation, left), part._replace(batches=left), lane):
                return

    async def _do(self, round_: Round, part: Part, lane: Lane) -> bool:
        """One part of a round, which is usually all of it; returns whether it was written."""
        for tp, batch in round_.batches.items():
            if wanted := self._library.ordered(tp.partition, (record.value for record in batch)):
                await self._library.prepare(wanted, self._announced.catch_up)
        self._suspects.begin(part)
        folded = await self._fold(part)
        pieces = await self._pieces(folded, lane.ends(round_))
        self._suspects.end(part)
        write = self._write if self._atomic is None else self._write_at_once
        if written := await write(pieces, lambda: lane.still_owner(round_)):
            self._told.count(round_, [result for results in folded.values() for result in results])
        return written

    async def _pieces(
        self, folded: Mapping[TopicPartition, list[Folded]], ends: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, Piece]:
        def pieces() -> dict[TopicPartition, Piece]:
            return {tp: self._piece(tp, results, ends[tp]) for tp, results in folded.items()}

        many = sum(self._leads[tp.partition].changed for tp in folded) > HEAVY
        return await asyncio.to_thread(pieces) if many else pieces()

    def _piece(self, tp: TopicPartition, results: list[Folded], end: int) -> Piece:
        number, names, topic = tp.partition, self._names, self._changelog.topic
        outputs: list[Record] = []
        for result in results:
            outputs += [(names[name], number, key, value, None, heads) for name, key, value, heads in result.outputs]
            if TALLY in result.tally:
                outputs = [self._at_home(record) for record in outputs]
        leads, closing = self._leads[number].changes()
        return Piece(
            outputs,
            [(topic, number, key, value, None, None) for key, value in leads],
            [(topic, number, key, value, None, None) for key, value in closing],
            end,
        )

    def _at_home(self, record: Record) -> Record:
        """Words about addresses go to the partition of their own key, whoever says them: so the last one counts."""
        name, _, key, value, at, heads = record
        if name != self._names[topics.SUPPRESSIONS.name]:
            return record
        return name, partition_for(key or b"", self._partitions), key, value, at, heads

    async def _write(self, pieces: Mapping[TopicPartition, Piece], may_write: Callable[[], bool]) -> bool:
        """Outputs, then state: what was not written comes again, with the same ids. Returns whether it was written."""
        await self._writer.produce([record for piece in pieces.values() for record in piece.outputs])
        if not may_write():
            return False
        numbered = {tp.partition: piece for tp, piece in pieces.items()}
        await self._changelog.write(
            {number: piece.state for number, piece in numbered.items()},
            {number: piece.last for number, piece in numbered.items()},
        )
        return True

    async def _write_at_once(self, pieces: Mapping[TopicPartition, Piece], may_write: Callable[[], bool]) -> bool:
        """All in one transaction a partition. Returns whether it was written."""
        assert self._atomic is not None
        acked = await self._atomic.write(pieces, may_write)
        if acked is None:
            return False
        self._changelog.wrote(acked, markers=1)
        return True

    async def _fold(self, part: Part) -> dict[TopicPartition, list[Folded]]:
        """Fold what came on all partitions together, slice by slice; a partition whose breaker trips is left out after that."""
        batches = part.batches
        heavy = sum(map(len, batches.values())) > HEAVY
        left, folded = dict(batches), {tp: list[Folded]() for tp in batches}
        start = 0
        while pieces := {tp: batch[start : start + SLICE] for tp, batch in left.items() if start < len(batch)}:
            start += SLICE
            work = [(self._leads[tp.partition], self._messages(piece)) for tp, piece in pieces.items()]
            heavy = heavy or any(b'"tick"' in (m.value or b"")[:200] for _, messages in work for m in messages)
            began = time.perf_counter()
            env = self._library.env
            if part.poison:
                results = [condemn(partition, messages[0]) for partition, messages in work]
            else:
                results = await asyncio.to_thread(fold_together, work, env) if heavy else fold_together(work, env)
            took = time.perf_counter() - began
            metrics.FOLD_SECONDS.observe(took)
            self._pace.note(sum(result.tally["looks",] for result in results), took)
            for (tp, piece), result, (_, messages) in zip(pieces.items(), results, work, strict=True):
                folded[tp].append(result)
                rejected = set(result.rejected)
                bad = [m.offset in rejected for m in messages] if rejected else [False] * len(messages)
                if self._breakers[tp.partition].add_all(bad):
                    self._trip(tp, piece[-1].offset + 1, result)
                    del left[tp]
        return folded

    def _messages(self, records: list[Fetched]) -> list[Message]:
        base = self._base
        return [Message(base + r.offset, r.timestamp, r.key, r.value) for r in records]

    def _trip(self, tp: TopicPartition, resume_at: int, result: Folded) -> None:
        reasons = Counter({key[1]: n for key, n in result.tally.items() if key[0] == "rejected"})
        logger.critical(
            "%s[%d] is paused: too many records are being dead-lettered (%s). Repair the sender or this build and restart; "
            "`leadkeeper dlq list` shows them, `leadkeeper dlq redrive` brings them back",
            *tp, ", ".join(f"{n} x {reason}" for reason, n in reasons.most_common(3)),
        )  # fmt: skip
        self._lane.pause(tp, resume_at)

    async def _tick(self, _: Round, lane: Lane) -> None:
        """Send time into every owned partition, unless it is so far behind that events must come first."""
        if (began := time.monotonic()) < self._next_tick:
            return
        due = [
            self._leads[tp.partition]
            for tp in lane.owned()
            if lane.stats.lag.get(tp, 0) <= self._settings.tick_lag and tp not in lane.stats.paused
        ]
        ticks, some_wait = ticks_for(self._prefix, due, datetime.now(UTC), self._pace)
        await self._writer.produce(ticks)
        # Where some wait, looks take half of the time at most, and events have the other half.
        self._next_tick = began + (min(self._settings.tick_s, 2 * BUDGET_S) if some_wait else self._settings.tick_s)

    # -- helpers

    async def _require(self, wanted: Iterable[Versions]) -> None:
        async def load() -> None:
            for versions in wanted:
                await self._library.require(versions, self._announced.catch_up)

        await retry(load, on=Unavailable, excuse=self._lane.watchdog.excuse)

    async def _ends(self, tps: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        return dict(await self._lane.highwaters(*tps))

    def _check_log(self, applied: Mapping[TopicPartition, int], ends: dict[TopicPartition, int]) -> None:
        """A log that ends before what the state has applied was recreated: going on would skip its records."""
        for tp, guard in applied.items():
            in_this_epoch = guard >= self._base
            end = ends.get(tp)
            # The embedded broker's ends are too low after batches, and it never keeps a log over a restart.
            if in_this_epoch and end is not None and self._lane.settings.idempotent and end <= guard - self._base:
                die(
                    ExitCode.CONFIG,
                    f"{tp.topic}[{tp.partition}] ends at {end}, but state up to offset {guard - self._base} exists: the topic was "
                    f"recreated or truncated. If that was on purpose, start with LEADKEEPER_EPOCH={self._settings.epoch + 1}",
                )

    def _owned(self) -> list[Partition]:
        owned = {tp.partition for tp in self._lane.owned()}
        return [partition for number, partition in self._leads.items() if number in owned]

    def _export(self) -> None:
        export_leads(self._owned())
        metrics.RECOVERED.set(self._changelog.stats.recovered_records)
