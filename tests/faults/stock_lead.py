"""The lead agent on Faust's own consumer instead of the lane: what the fault test must not accept.

Same fold, same writer, same changelog, same order of writes; only delivery, acknowledgement and commit are stock Faust 0.15.3.
Run like the real worker; settings from LEADKEEPER_….
"""

import asyncio
import os
from typing import Any

import faust
from aiokafka import TopicPartition
from faust.types import TP

from agents.broker import probe
from agents.lead import LeadJob
from agents.rounds import LaneSettings, LaneStats, Round
from agents.safety import Lease
from agents.settings import LeadSettings
from agents.topics import check
from schemas import topics


class StockLane:
    """What `LeadJob` asks of a lane, answered the way a stock app would: always yours, never paused."""

    def __init__(self, app: faust.App, settings: LaneSettings) -> None:
        self._app, self.settings, self.stats = app, settings, LaneStats()
        self.lease = Lease(3600.0)
        self.watchdog = self

    def excuse(self, seconds: float) -> None:
        """Nobody watches."""

    def every(self, seconds: float, work: Any) -> None:
        """The test sends its own ticks."""

    def owned(self) -> frozenset[TopicPartition]:
        return frozenset(TopicPartition(*tp) for tp in self._app.consumer.assignment())

    def still_owner(self, _: Round) -> bool:
        return True

    def pause(self, tp: TopicPartition, from_offset: int | None = None) -> None:
        """Stock Faust has no breaker."""

    async def highwaters(self, *_: TP) -> dict[TP, int]:
        return {}


def main() -> None:
    """Run until killed."""
    settings = LeadSettings(metrics_port=0)
    partitions, _ = asyncio.run(check(settings.bootstrap, settings.topic_prefix))
    flavour = asyncio.run(probe(settings.bootstrap))
    job = LeadJob(settings, partitions)
    app = faust.App(
        f"{settings.topic_prefix}lead-agent",
        broker=f"kafka://{settings.bootstrap}",
        broker_session_timeout=flavour.session_timeout_s,
        broker_heartbeat_interval=1.0,
        consumer_auto_offset_reset="earliest",
        topic_allow_declare=False,
        topic_disable_leader=True,
        store="memory://",
        web_enabled=False,
        value_serializer="raw",
        datadir=os.environ["STOCK_DATADIR"],
        worker_redirect_stdouts=False,
    )
    lane_settings = LaneSettings(bootstrap=settings.bootstrap, group="unused").on(flavour)
    lane: Any = StockLane(app, lane_settings)
    recovered: set[TopicPartition] = set()
    inbox = app.topic(
        settings.topic_prefix + topics.EVENTS.name,
        value_type=bytes,
        value_serializer="raw",
        key_type=bytes,
        key_serializer="raw",
    )

    async def events(stream: Any) -> None:
        await job.setup(lane)
        async for event in stream.events():
            message = event.message
            tp = TopicPartition(message.topic, message.partition)
            if tp not in recovered:
                await job.on_assigned(frozenset({tp}))
                recovered.add(tp)
            await job.process(Round(0, {tp: [_record(message)]}), lane)

    async def revoked(*_: Any, **__: Any) -> None:
        recovered.clear()
        await job.on_abandoned(frozenset(TopicPartition("", n) for n in range(partitions)))

    app.agent(inbox, name="stock")(events)
    app.on_partitions_revoked.connect(revoked)
    app.Worker(loglevel="WARN", quiet=True).execute_from_commandline()


def _record(message: Any) -> Any:
    class Record:
        offset, key, value = message.offset, message.key, message.value
        timestamp = int(message.timestamp * 1000)
        headers = (
            tuple((message.headers or {}).items())
            if isinstance(message.headers, dict)
            else tuple(message.headers or ())
        )

    return Record


if __name__ == "__main__":
    main()
