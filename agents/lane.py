"""The lane: a Faust consumer that hands whole record batches to one handler, in order, and commits only what is done.

Interface::

    from agents.lane import Lane, LaneSettings, LaneStats, Round, RoundHandler

    class Job:                                     # a RoundHandler; its calls take turns, never side by side
        async def setup(self, lane): ...           # start writer and changelog; lane.every(5.0, self.sweep)
        async def on_assigned(self, tps): ...      # recover their state (all owned partitions, each generation)
        async def process(self, round_, lane): ... # guard, fold, outputs acked, lane.still_owner, changelog acked
        async def on_abandoned(self, tps): ...     # forget their state: their round was dropped half-way
        async def on_revoked(self, tps): ...       # they belong to somebody else now
        async def teardown(self): ...

    lane.still_owner(round_)       may this round write? checks generation and lease
    lane.pause(tp, from_offset)    no more delivery (breaker); from_offset and later come again after resume or restart
    lane.resume(tp)                deliver again, from where it stopped
    lane.every(seconds, coro)      periodic work on the same turns: ``await coro(round_, lane)``, its round is empty
    lane.lease, lane.watchdog, lane.stats, lane.settings, lane.generation, lane.owned()

    agents.app.run_worker(settings, topics, job)   starts all of it in this process

Of Faust it keeps group membership, rebalancing and service life cycle. Not used: its ack lists, its gap book-keeping,
its commit arithmetic, its tables and its producer (``deploy/decisions`` says what they lose).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faust.transport.drivers.aiokafka import Consumer

from agents.lane_thread import LaneThread
from agents.log_probe import first_offset_from
from agents.rounds import LaneSettings, LaneStats, Round, RoundHandler, first_hole
from agents.safety import ExitCode, Lease, Watchdog, die
from agents.turns import Turns

__all__ = ["Lane", "LaneSettings", "LaneStats", "Round", "RoundHandler"]

logger = logging.getLogger(__name__)

_FETCH_S = 1.0
_IDLE_S = 0.05

Periodic = Callable[[Round, "Lane"], Awaitable[None]]


class Lane(Consumer):
    """One group member reading several topics; see the module's text for the interface."""

    _thread: LaneThread

    def __init__(self, transport: Any, *args: Any, **kwargs: Any) -> None:
        """Take settings and handler from the app (``agents.app.build_app``)."""
        self.settings: LaneSettings = transport.app.lane_settings
        self.stats = LaneStats()
        self.lease = Lease(self.settings.session_s)
        self.watchdog = Watchdog(self.lease, self, stuck_s=self.settings.stuck_s)
        self.turns = Turns(self, transport.app.lane_handler)
        self.rounds = transport.app.lane_channel
        self._expect: dict[TopicPartition, int] = {}  # next offset to deliver
        self._done: dict[TopicPartition, int] = {}  # next offset to commit
        self._committed: dict[TopicPartition, int] = {}
        self._suspects: dict[TopicPartition, tuple[int, int]] = {}  # the last gap: expected, found
        self._pending: dict[TopicPartition, list[ConsumerRecord]] = {}
        self._epoch = 0  # rises whenever fetches on their way become void
        self._room = asyncio.Event()
        super().__init__(transport, *args, **kwargs)

    def _new_consumer_thread(self) -> LaneThread:
        return LaneThread(self, loop=self.loop, beacon=self.beacon)

    # -- what handlers call

    @property
    def generation(self) -> int:
        """The group generation this process was last told."""
        return int(self.app.consumer_generation_id)

    def owned(self) -> frozenset[TopicPartition]:
        """Return the partitions assigned to this process."""
        return frozenset(TopicPartition(*tp) for tp in self.assignment())

    def next_offset(self, tp: TopicPartition) -> int:
        """Return the next offset to deliver of an owned partition."""
        return self._expect[tp]

    def still_owner(self, round_: Round) -> bool:
        """Say whether a round may still write: same generation, also in the coordinator's eyes, and lease kept.

        Prevents the stale write of a member that was thrown out of its group while it worked (law 2).
        """
        self.lease.check()
        return round_.generation == self.generation == self._thread.live_generation()

    def pause(self, tp: TopicPartition, from_offset: int | None = None) -> None:
        """Deliver no more records of a partition until ``resume`` or a restart (law 6).

        Args:
            tp: Which one.
            from_offset: First offset of the running round that must come again; None = the round counts as a whole.
        """
        self.stats.paused.add(tp)
        self._epoch += 1  # a fetch on its way must not be delivered
        logger.error("%s[%d] is paused", tp.topic, tp.partition)
        if waiting := self._pending.pop(tp, None):
            self._expect[tp] = waiting[0].offset
        if from_offset is not None:
            self._expect[tp] = from_offset

    def resume(self, tp: TopicPartition) -> None:
        """Deliver a paused partition again, from the first record it did not finish."""
        if tp in self.stats.paused:
            self.stats.paused.discard(tp)
            self._epoch += 1
            self._room.set()
            self.turns.spawn(self._bring_back([tp]))

    def every(self, seconds: float, work: Periodic) -> None:
        """Run ``await work(round_, lane)`` every so many seconds, never beside a round; ``round_`` is empty."""
        self.turns.every(seconds, work)

    # -- fetching: law 1, only contiguous offsets are delivered, and law 9, little of it waits

    async def _drain_messages(self, fetcher: Any) -> None:
        while not (self.should_stop or fetcher.should_stop):
            try:
                await self._fetch_once()
            except self.consumer_stopped_errors:
                if self.app.should_stop:
                    return
                raise
            except KafkaError as error:
                die(ExitCode.ZOMBIE, f"fetching failed: {error!r}")

    async def _fetch_once(self) -> None:
        if not self.flow_active:
            await self.wait_first(self.can_resume_flow.wait(), self._stopped.wait())
            return
        self.turns.hand_over()
        room = self.settings.max_records - sum(map(len, self._pending.values()))
        active = set(self._get_active_partitions()) - self.stats.paused
        if room <= 0 or not active:
            self._room.clear()
            await self.wait(self._room.wait(), timeout=_IDLE_S)
            return
        epoch = self._epoch
        fetched = await self._thread.fetch(active, _FETCH_S, room)
        if epoch != self._epoch or not self.flow_active:
            # Fetched before a rebalance, arrived after it: not delivered, and the position goes back.
            await self._bring_back(fetched)
            return
        for tp, batch in fetched.items():
            if kept := await self._admit(tp, batch):
                self._expect[tp] = kept[-1].offset + 1
                self._pending.setdefault(tp, []).extend(kept)

    async def _admit(self, tp: TopicPartition, batch: list[ConsumerRecord]) -> list[ConsumerRecord]:
        """Return what may be delivered now: nothing below the expected offset, nothing behind a hole."""
        expect = self._expect.get(tp)
        if expect is None or tp in self.stats.paused:
            return []
        if batch[-1].offset < expect:
            await self._behind(tp, batch[-1].offset)
            return []
        if batch[0].offset < expect:
            batch = [record for record in batch if record.offset >= expect]
        if tp.topic in self.settings.gappy_topics:
            return batch
        if batch[0].offset > expect and not await self._missing(tp, batch[0].offset):
            return []
        whole = first_hole(batch)
        if whole < len(batch):
            self._expect[tp] = batch[whole - 1].offset + 1
            await self._rewind(tp)
        return batch[:whole]

    async def _missing(self, tp: TopicPartition, found: int) -> bool:
        """Fetch a missing offset again; return True only when the broker has shown that it does not exist.

        Prevents the silent loss of records that were fetched and dropped around a rebalance (stock Faust books them as
        "compacted" and commits over them).
        """
        expect = self._expect[tp]
        start = (await self.earliest_offsets(tp))[tp]
        if start > expect:
            lost = min(start, found) - expect
            self.stats.data_loss += lost
            logger.critical("DATA LOSS %s[%d]: offsets %d..%d were deleted unread", *tp, expect, expect + lost - 1)
            self._expect[tp] = expect = expect + lost
        if expect == found:
            return True
        have = await self._ask_again(tp, found)
        if have is None or have < found:
            await self._rewind(tp)
            return False
        self.stats.holes += found - expect
        logger.warning(
            "%s[%d]: the log has no offsets %d..%d; if it is compacted or written in transactions, set gappy_topics",
            *(tp.topic, tp.partition, expect, found - 1),
        )
        return True

    async def _behind(self, tp: TopicPartition, last: int) -> None:
        """Find out whether the log ends before the committed offset; fatal, for going on would skip or repeat."""
        expect = self._expect[tp]
        have = await self._ask_again(tp, last)
        if have is not None and have < expect:
            die(
                ExitCode.CONFIG,
                f"{tp.topic}[{tp.partition}] has no offset {expect} that group {self.settings.group} committed: the topic "
                "was recreated or truncated; use a new group, or reset offsets and state together",
            )
        await self._rewind(tp)

    async def _ask_again(self, tp: TopicPartition, found: int) -> int | None:
        """Return what the broker itself has from the expected offset on; None at first sight, a new fetch will tell."""
        suspect = (self._expect[tp], found)
        if self._suspects.get(tp) != suspect:
            self._suspects[tp] = suspect
            return None
        return await first_offset_from(self.settings.bootstrap, TopicPartition(*tp), suspect[0])

    async def _rewind(self, tp: TopicPartition) -> None:
        self.stats.rewinds += 1
        await self._bring_back([tp])

    async def _bring_back(self, tps: Iterable[TopicPartition]) -> None:
        """Fetch again from the next offset to deliver."""
        await self._thread.seek_all({tp: self._expect[tp] for tp in tps if tp in self._expect})

    # -- rounds: called by Turns

    def take(self) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Return and forget what waits."""
        batches, self._pending = self._pending, {}
        self._room.set()
        return batches

    @property
    def waiting(self) -> int:
        """Number of records that wait for the next round."""
        return sum(map(len, self._pending.values()))

    def finish(self, round_: Round) -> None:
        """Mark a round's offsets as done. Only those are ever committed (law 2)."""
        for tp, batch in round_.batches.items():
            end = batch[-1].offset + 1
            self._done[tp] = min(end, self._expect.get(tp, end)) if tp in self.stats.paused else end

    # -- rebalancing

    async def perform_seek(self) -> None:
        """Start from the committed offsets; a new group starts from, and commits, the first offset (law 1).

        Without that commit a group that dies before its first one would start over at whatever the log start is then,
        and nobody would notice the hole.
        """
        self._forget()
        try:
            starts, fresh = await self._thread.start_positions()
            self._expect.update(starts)
            self._committed.update(starts)
            if fresh:
                await self._commit({tp: starts[tp] for tp in fresh})
        except IllegalStateError:
            raise  # the assignment changed meanwhile: Faust's recovery loop starts over
        except KafkaError as error:
            die(ExitCode.ZOMBIE, f"reading the committed offsets failed: {error!r}")

    def resume_flow(self) -> None:
        """Deliver again after a rebalance; the turns recover state first."""
        super().resume_flow()
        self.stats.generations += 1
        self.turns.unsettle()
        self._room.set()

    async def wait_empty(self) -> None:
        """Let the round in flight finish, commit, and forget what was fetched: the partitions may be leaving.

        Prevents two owners writing at once: a round that needs more than half the rebalance timeout ends the process.
        """
        limit_s = self.settings.rebalance_timeout_s / 2
        try:
            await asyncio.wait_for(self.turns.quiet(), limit_s)
        except TimeoutError:
            die(ExitCode.ZOMBIE, f"a round did not end within {limit_s:g} s of a rebalance", stacks=True)
        await self.force_commit()
        self._forget()

    def _forget(self) -> None:
        self._epoch += 1
        self.turns.withdraw()
        for book in (self._expect, self._done, self._committed, self._suspects, self._pending):
            book.clear()

    # -- committing: only done offsets

    async def force_commit(self, *_: Any, **__: Any) -> bool:
        """Commit done offsets, all of them; Faust's arguments have no use here."""
        offsets = {tp: offset for tp, offset in self._done.items() if offset > self._committed.get(tp, -1)}
        took = bool(offsets) and await self._commit(offsets)
        if took:
            self._committed.update(offsets)
            self.stats.commits += 1
            self.stats.last_commit = time.time()
        self.stats.lag = self._thread.lags({**self._committed, **self._done})
        return took

    async def _commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        try:
            await self._thread.commit_offsets(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            logger.info("not committed, the group has moved on: %s", error)
            return False
        except KafkaError as error:
            logger.warning("not committed, tried again at the next commit: %r", error)
            return False
        return True

    async def verify_all_partitions_active(self) -> None:
        """Nothing: the watchdog does this, and Faust's version misses the acks it never gets here."""

    # -- what the watchdog asks, from its thread

    def progress(self) -> object:
        """Return what changes when work gets done."""
        return self.stats.rounds, self.stats.commits, self.stats.generations

    def lag(self) -> int:
        """Return the records waiting on partitions that are delivered."""
        return sum(lag for tp, lag in self.stats.lag.items() if tp not in self.stats.paused)

    def coordinator_dead(self) -> bool:
        """Say whether aiokafka's membership task has ended or waits for a rejoin that does not come."""
        return self._thread.coordinator_dead()
