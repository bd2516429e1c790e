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
    lane.pause(tp, from_offset)    no more delivery (breaker); from_offset and later come again after a restart
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
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, RebalanceInProgressError
from faust.transport.drivers.aiokafka import Consumer

from agents.contiguity import Contiguity
from agents.lane_thread import LaneThread
from agents.rounds import Fetched, LaneSettings, LaneStats, Round, RoundHandler
from agents.safety import ExitCode, Lease, Watchdog, die, retry
from agents.turns import Turns

__all__ = ["Lane", "LaneSettings", "LaneStats", "Round", "RoundHandler"]

logger = logging.getLogger(__name__)

_FETCH_S = 1.0
_IDLE_S = 0.05
_FIRST_COMMIT_S = 5.0
_MOVED_ON = (CommitFailedError, IllegalStateError, RebalanceInProgressError)

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
        self._contiguity = Contiguity(self.settings, self.stats, self)
        self._expect = self._contiguity.expect  # next offset to deliver
        self._done: dict[TopicPartition, int] = {}  # next offset to commit
        self._committed: dict[TopicPartition, int] = {}
        self._pending: dict[TopicPartition, list[Fetched]] = {}
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
        """Deliver no more records of a partition until a restart, or until it comes back from another owner (law 6).

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

    def every(self, seconds: float, work: Periodic) -> None:
        """Run ``await work(round_, lane)`` every so many seconds, never beside a round; ``round_`` is empty."""
        self.turns.every(seconds, work)

    # -- fetching: law 9, little of it waits

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
        fetched, spans = await self._thread.fetch(active, _FETCH_S, room)
        if epoch != self._epoch or not self.flow_active:
            # Fetched before a rebalance, arrived after it: not delivered, and the position goes back.
            await self._contiguity.bring_back({*fetched, *spans})
            return
        for tp, batch in fetched.items():
            if tp not in self.stats.paused and (kept := await self._contiguity.admit(tp, batch, spans.get(tp))):
                self._pending.setdefault(tp, []).extend(kept)
        for tp, span in spans.items():
            if tp not in fetched and span[1] != self._expect.get(tp):
                await self._contiguity.pass_over(tp, span)

    async def seek_all(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Fetch next from these offsets."""
        await self._thread.seek_all(offsets)

    async def log_start(self, tp: TopicPartition) -> int:
        """Return the first offset that a log still has."""
        return int((await self.earliest_offsets(tp))[tp])

    # -- rounds: called by Turns

    def take(self) -> dict[TopicPartition, list[Fetched]]:
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
        self._done.update(self.ends(round_))

    def ends(self, round_: Round) -> dict[TopicPartition, int]:
        """Return the offsets after a round: of a partition that was paused in it, the first one to come again."""
        ends = {tp: batch[-1].offset + 1 for tp, batch in round_.batches.items()}
        return {tp: min(end, self._expect.get(tp, end)) if tp in self.stats.paused else end for tp, end in ends.items()}

    def read_up_to(self, tp: TopicPartition) -> int:
        """Return the offset up to which nothing is left to read or to work on, as far as is known between rounds."""
        if tp in self._pending or self.turns.busy:
            return self._done.get(tp, self._committed.get(tp, 0))
        return self._expect.get(tp, 0)

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
                await self._commit_start({tp: starts[tp] for tp in fresh})
        except IllegalStateError:
            raise  # the assignment changed meanwhile: Faust's recovery loop starts over
        except KafkaError as error:
            die(
                ExitCode.ZOMBIE,
                f"reading the committed offsets, or committing a new group's first ones, failed: {error!r}",
            )

    async def _commit_start(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit a new group's first offsets; raises KafkaError when some tries have failed."""

        async def commit() -> None:
            try:
                await self._thread.commit_offsets(offsets)
            except _MOVED_ON as error:
                logger.info("the first offsets are not committed, the group has moved on: %s", error)

        await retry(commit, on=KafkaError, total_s=_FIRST_COMMIT_S)

    def resume_flow(self) -> None:
        """Deliver again after a rebalance; the turns recover state first."""
        super().resume_flow()
        self.stats.paused &= self.owned()  # what is somebody else's now is theirs to pause
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
        for book in (self._contiguity, self._done, self._committed, self._pending):
            book.clear()

    # -- committing: only done offsets

    async def force_commit(self, *_: Any, **__: Any) -> bool:
        """Commit done offsets, all of them; Faust's arguments have no use here."""
        for tp in self._expect:
            if tp.topic in self.settings.gappy_topics:  # past what holds no records
                self._done[tp] = max(self._done.get(tp, 0), self.read_up_to(tp))
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
        except _MOVED_ON as error:
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
