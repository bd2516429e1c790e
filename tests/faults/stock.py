"""The product on Faust's own consumer instead of the lane: what the fault test must not accept.

Same job, same fold, same writer, same changelog, same order of writes, and batches too. Only delivery, acknowledgement,
gap book-keeping and commit are those of stock Faust 0.15.3, used as its documentation says: `noack_take`, and `ack` when
everything that follows from an event is acknowledged by the broker.
"""

import asyncio
import logging
import signal
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import faust
from aiokafka import ConsumerRecord, TopicPartition

from agents import app
from agents.broker import probe
from agents.rounds import LaneSettings, LaneStats, Round, RoundHandler
from agents.safety import ExitCode, Lease, die

MOST, WITHIN_S = 2000, 0.05
"""Events in a batch, and how long one gathers."""

logger = logging.getLogger(__name__)


def stock_consumer(_: str) -> None:
    """From now on `leadkeeper worker lead` runs its job on stock Faust."""
    app.serve = serve_stock


class StockLane:
    """What a job asks of a lane, answered with what stock Faust knows."""

    def __init__(self, app: faust.App, settings: LaneSettings) -> None:
        self._app, self.settings, self.stats = app, settings, LaneStats()
        self.lease = Lease(settings.session_s)
        self.watchdog = self

    def excuse(self, seconds: float) -> None:
        """Nobody watches."""

    def every(self, seconds: float, work: Any) -> None:
        """The test sends its own ticks."""

    def owned(self) -> frozenset[TopicPartition]:
        """What Faust says is assigned."""
        return frozenset(TopicPartition(*tp) for tp in self._app.consumer.assignment())

    def still_owner(self, round_: Round) -> bool:
        """As far as Faust tells an application."""
        return bool(round_.generation == self._app.consumer_generation_id)

    def pause(self, tp: TopicPartition, from_offset: int | None = None) -> None:
        """A stock app has no breaker."""

    def ends(self, round_: Round) -> dict[TopicPartition, int]:
        """The offsets after a round."""
        return {tp: batch[-1].offset + 1 for tp, batch in round_.batches.items()}

    async def highwaters(self, *_: TopicPartition) -> dict[TopicPartition, int]:
        """Not asked."""
        return {}


async def serve_stock(
    settings: LaneSettings, inbox_topics: Iterable[str], handler: RoundHandler, name: str = "stock"
) -> ExitCode:
    """Do what `agents.app.serve` does, on stock Faust."""
    settings = settings.on(await probe(settings.bootstrap))
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    stock = faust.App(
        settings.group,
        broker=f"kafka://{settings.bootstrap}",
        broker_session_timeout=settings.session_s,
        broker_heartbeat_interval=settings.heartbeat_s,
        broker_commit_interval=settings.commit_interval_s,
        consumer_auto_offset_reset="earliest",
        topic_allow_declare=False,
        topic_disable_leader=True,
        store="memory://",
        datadir=tempfile.mkdtemp(prefix="stock-faust-"),
        web_enabled=False,
        worker_redirect_stdouts=False,
        value_serializer="raw",
    )
    lane: Any = StockLane(stock, settings)
    job = StockJob(stock, handler, lane)
    raw: dict[str, Any] = {"key_type": bytes, "key_serializer": "raw", "value_type": bytes, "value_serializer": "raw"}
    stock.agent(stock.topic(*inbox_topics, **raw), name=name)(job.work)
    stock.on_partitions_revoked.connect(job.moved)
    stock.on_partitions_assigned.connect(job.moved)
    await handler.setup(lane)
    lease = asyncio.create_task(lane.lease.run())
    starting = asyncio.create_task(stock.start())
    await stop.wait()
    await stock.stop()
    await handler.teardown()
    for task in (lease, starting):
        task.cancel()
    return ExitCode.STOPPED


class StockJob:
    """A job's rounds on a Faust stream."""

    def __init__(self, app: faust.App, handler: RoundHandler, lane: Any) -> None:
        self._app, self._handler, self._lane = app, handler, lane
        self._served: frozenset[TopicPartition] = frozenset()
        self._settled = False

    async def moved(self, *_: Any, **__: Any) -> None:
        """Faust's signal: recover before the next batch."""
        self._settled = False

    async def work(self, stream: Any) -> None:
        """The agent: take a batch, work on it, then ack its events."""
        async for events in stream.noack_take(MOST, within=WITHIN_S):
            try:
                done = await self._round(events)
            except Exception as error:
                logger.exception("a batch failed")
                die(ExitCode.WRITE_FAILED, f"a batch failed, nothing of it is acked: {error!r}")
            if done:
                for event in events:
                    event.ack()

    async def _round(self, events: list[Any]) -> bool:
        if not self._settled:
            self._settled = True
            await self._handler.on_abandoned(self._served)
            self._served = self._lane.owned()
            await self._handler.on_assigned(self._served)
        batches: defaultdict[TopicPartition, list[ConsumerRecord]] = defaultdict(list)
        for event in events:
            tp = TopicPartition(event.message.topic, event.message.partition)
            if tp in self._served:
                batches[tp].append(_record(event.message))
        round_ = Round(self._app.consumer_generation_id, dict(batches))
        await self._handler.process(round_, self._lane)
        if not self._lane.still_owner(round_):
            self._settled = False
            return False
        return True


def _record(message: Any) -> ConsumerRecord:
    """The record as aiokafka gave it to Faust."""
    return ConsumerRecord(
        message.topic, message.partition, message.offset, round(message.timestamp * 1000), message.timestamp_type,
        message.key, message.value, message.checksum, 0, 0, tuple(message.headers or ()),
    )  # fmt: skip
