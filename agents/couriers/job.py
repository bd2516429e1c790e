"""The courier job on the lane: rounds of commands in, deliveries, receipts and ledger entries out.

After a start nothing is sent before the whole backlog was read (`intake`), and withdrawals of a round go first, so that
a withdrawal always beats what it withdraws as long as the call was not made.
"""

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from faust.types import TP
from redis.asyncio import Redis

from agents.broker import probe
from agents.channels.base import Channel
from agents.channels.templates import Templates
from agents.couriers.clock import CourierClock, utc_now
from agents.couriers.delivery import Desk
from agents.couriers.fence import Fence
from agents.couriers.intake import Backlog
from agents.couriers.journal import Journal, OwnershipLostError
from agents.couriers.ledger import Ledger
from agents.couriers.reading import dead_letter, read_command
from agents.couriers.settings import CourierSettings
from agents.couriers.stats import CourierStats
from agents.couriers.suppressions import Suppressions
from agents.lane import Lane
from agents.rounds import Fetched, Round
from agents.table import Changelog, one_by_one
from agents.writer import Out, Writer
from schemas import topics
from schemas.commands import Command, WithdrawIntervention
from schemas.errors import Rejected
from streams.breaker import DlqBreaker

TURN_S = 10.0
"""After this long no further call is begun in a turn, so that a rebalance never waits long."""
BATCH = 500
"""Waiting deliveries looked at in one turn."""
PURGE_S = 3600.0

Item = tuple[int, Command]


class CourierJob:
    """What the lane asks of a job (`agents.rounds.RoundHandler`), for one channel."""

    def __init__(self, channel: Channel, settings: CourierSettings, redis: "Redis", group: str) -> None:
        """Keep what is given; `setup` starts the rest."""
        self.settings = settings
        self.stats = CourierStats()
        self.channel = channel
        self.clock = CourierClock(settings.clock)
        prefix, self._name = settings.topic_prefix, channel.name
        self._dead_letters = prefix + topics.INTERVENTIONS_DLQ[channel.name].name
        self._ledger = Ledger(prefix + topics.LEDGER.name, channel.name, self.clock)
        self._backlog = Backlog(settings.bootstrap, group)
        self._fence = Fence(redis, prefix, uuid.uuid4().hex)
        self._receipts = prefix + topics.EVENTS.name
        self._suppressions = Suppressions(settings.bootstrap, prefix, settings.secrets())
        self._breakers: defaultdict[TP, DlqBreaker] = defaultdict(DlqBreaker)
        self._stream_now: datetime | None = None
        self._calls = asyncio.Semaphore(settings.concurrency)

    async def setup(self, lane: Lane) -> None:
        """Start writer and ledger; look for due deliveries from time to time."""
        flavour = await probe(self.settings.bootstrap)
        self._writer = Writer(
            self.settings.bootstrap,
            idempotent=flavour.idempotent,
            client_id=f"courier-{self._name}",
            guard=lane.lease.permit,
        )
        await self._writer.start()
        self._changelog = Changelog(
            self._ledger.topic, self._writer, self.settings.bootstrap, fetch_max_wait_ms=flavour.fetch_max_wait_ms
        )
        self._journal = Journal(self._changelog)
        await self._suppressions.start(self._writer)
        self._desk = Desk(
            self.channel, self.clock, self._ledger, self._journal, self._fence, Templates(self.settings.templates_dir),
            self._backlog, self.stats, self._receipts, timedelta(seconds=self.settings.doubt_pause_s),
            self._suppressions.addresses,
        )  # fmt: skip
        lane.every(self.settings.retry_poll_s, self._fire)
        lane.every(PURGE_S, self._purge)

    async def teardown(self) -> None:
        """Stop the writer; the channel and Redis are their owner's."""
        await self._suppressions.stop()
        await self._writer.stop()

    async def on_assigned(self, tps: frozenset[TP]) -> None:
        """Read the ledger back and look at everything that is unfinished, CLAIMED included."""
        await self._backlog.look(tps)
        await self._suppressions.catch_up()
        partitions = {tp.partition for tp in tps}
        await self._changelog.recover_all(
            partitions, lambda number: one_by_one(lambda key, value, _: self._ledger.apply(number, key, value))
        )
        for partition in partitions:
            self._ledger.wait_for_unfinished(partition, utc_now())

    async def on_revoked(self, tps: frozenset[TP]) -> None:
        """Forget them: the next owner writes their ledger from now on, and has breakers of its own."""
        self._forget(tps)
        for tp in tps:
            self._breakers.pop(tp, None)

    async def on_abandoned(self, tps: frozenset[TP]) -> None:
        """Forget what is held: the broker may not have all of it."""
        self._forget(tps)

    def _forget(self, tps: Iterable[TP]) -> None:
        partitions = {tp.partition for tp in tps}
        self._ledger.drop(partitions)
        for partition in partitions:
            self._changelog.forget(partition)

    async def process(self, round_: Round, lane: Lane) -> None:
        """Work on a round: dead letters, then withdrawals, then deliveries, concurrently over leads."""
        self._journal.may_write = lambda: lane.still_owner(round_)
        withdrawals: list[Item] = []
        deliveries: list[Item] = []
        dead: list[Out] = []
        for tp, batch in round_.batches.items():
            for command in self._read(tp, batch, dead, lane):
                kind = withdrawals if isinstance(command, WithdrawIntervention) else deliveries
                kind.append((tp.partition, command))
            self._backlog.read(tp, batch[-1].offset + 1)
        try:
            if dead:
                await self._journal.write(dead)
            await self._work(withdrawals, lane)
            await self._work(deliveries, lane)
        except OwnershipLostError:
            return  # the lane sees it too and drops the round

    async def _fire(self, round_: Round, lane: Lane) -> None:
        """Take up deliveries whose time has come."""
        self.stats.waiting = self._ledger.waiting()
        for tp in lane.owned():
            self._backlog.read(tp, lane.read_up_to(tp))
        due: list[Item] = []
        for partition, entry in list(self._ledger.due(utc_now(), self._stream_now, BATCH)):
            if self._backlog.behind(partition):
                self._ledger.wait(partition, entry, utc_now() + timedelta(seconds=self.settings.retry_poll_s))
            elif entry.command is not None:
                due.append((partition, entry.command))
        self._journal.may_write = lambda: lane.still_owner(round_)
        try:
            await self._work(due, lane, due=True)
        except OwnershipLostError:
            return

    async def _purge(self, round_: Round, lane: Lane) -> None:
        """Forget finished commands that can no longer be redelivered."""
        now = utc_now() if self.clock.mode == "wall" else self._stream_now
        if now is None:
            return
        self._journal.may_write = lambda: lane.still_owner(round_)
        await self._journal.write(list(self._ledger.old(now - timedelta(days=self.settings.ledger_keep_days))))

    def _read(self, tp: TP, batch: list[Fetched], dead: list[Out], lane: Lane) -> Iterable[Command]:
        breaker = self._breakers[tp]
        for record in batch:
            try:
                command = read_command(record, self._name)
            except Rejected as error:
                if breaker.add(rejected=True):
                    lane.pause(tp, record.offset)
                    del self._breakers[tp]
                    return
                self.stats.dead_letters[error.reason.value] += 1
                dead.append(dead_letter(tp, record, self._dead_letters, error))
                continue
            breaker.add(rejected=False)
            if self._stream_now is None or command.at > self._stream_now:
                self._stream_now = command.at
            yield command

    async def _work(self, items: list[Item], lane: Lane, *, due: bool = False) -> None:
        """Handle commands, those of one lead in order, leads side by side."""
        if not items:
            return
        desk = self._desk
        desk.redis_up = await self._fence.up()
        over = time.monotonic() + TURN_S
        desk.may_call = lambda: lane.flow_active and time.monotonic() < over
        by_lead: defaultdict[tuple[str, str], list[Item]] = defaultdict(list)
        for partition, command in items:
            by_lead[command.tenant, command.lead].append((partition, command))

        async def one_lead(group: list[Item]) -> list[Out]:
            async with self._calls:
                return [
                    record for partition, command in group for record in await desk.handle(partition, command, due=due)
                ]

        results = await asyncio.gather(*(one_lead(group) for group in by_lead.values()), return_exceptions=True)
        errors = [result for result in results if isinstance(result, BaseException)]
        for error in sorted(errors, key=lambda each: isinstance(each, OwnershipLostError)):
            raise error
        await self._journal.write(
            [record for result in results if not isinstance(result, BaseException) for record in result]
        )
