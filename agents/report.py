"""The report agent: reads what the lead agent concluded, keeps views in Redis and figures for Prometheus."""

import json
import logging
from collections.abc import Iterator
from typing import Any

from aiokafka import TopicPartition
from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from agents import metrics
from agents.couriers.run import open_redis, redis_away
from agents.lane import Lane, LaneSettings, Round
from agents.rounds import Fetched
from agents.safety import retry
from agents.serve import HealthServer
from agents.settings import Settings
from agents.views import Views
from schemas import topics
from streams.validate import reject

logger = logging.getLogger(__name__)

READS = (topics.ASSESSMENTS, topics.DECISIONS, topics.ESCALATIONS, topics.OUTCOMES)


class ReportJob:
    """A `RoundHandler` for the topics of `READS`. Holds no state: views are in Redis, counters start at 0 with the process."""

    def __init__(self, settings: Settings) -> None:
        """Remember the settings."""
        self._settings = settings
        self._redis: Redis = open_redis(settings.redis_url)
        self._views = Views(self._redis, settings.topic_prefix)
        self._answers = True
        self._topics = {settings.topic_prefix + topic.name: topic for topic in READS}

    async def setup(self, lane: Lane) -> None:
        """Serve figures; look at the views every second."""
        self._server = HealthServer(lane, self._settings.metrics_host, self._settings.metrics_port)
        await self._server.start()
        logger.info("metrics at http://%s:%d/metrics", self._settings.metrics_host, self._server.port)
        lane.every(1.0, self._look)

    async def on_assigned(self, tps: frozenset[TopicPartition]) -> None:
        """Nothing to recover."""

    async def on_abandoned(self, tps: frozenset[TopicPartition]) -> None:
        """Nothing to forget: writing again changes nothing."""

    async def on_revoked(self, tps: frozenset[TopicPartition]) -> None:
        """Nothing to keep."""

    async def process(self, round_: Round, lane: Lane) -> None:
        """Write the views, then count. Waits in place while Redis is down: the topics keep what comes."""
        records = [record for tp, batch in round_.batches.items() for record in self._read(tp, batch)]

        async def write() -> None:
            await self._views.write(records)

        while True:
            try:
                await retry(write, on=(RedisError, OSError), excuse=lane.watchdog.excuse)
                break
            except (RedisError, OSError) as error:
                logger.warning("%s; the report waits", redis_away(self._settings.redis_url, error))
                if not lane.still_owner(round_):
                    return
        for record in records:
            count(record)

    def _read(self, tp: TopicPartition, batch: list[Fetched]) -> Iterator[dict[str, Any]]:
        """What a topic of ours should hold. Anything else, which only a stranger can have written, is named and passed over."""
        topic = self._topics[tp.topic]
        assert topic.schema is not None
        for record in batch:
            if not record.value:
                continue
            try:
                topic.schema.validate_json(record.value)
            except ValidationError as error:
                wrong = reject(record.value, error)
                metrics.UNREADABLE.labels(topic.name, wrong.reason.value).inc()
                logger.warning(
                    "%s[%d] offset %d is left out of the report: %s %s; only the %s may write to this topic",
                    *tp, record.offset, wrong.field, wrong.message, topic.writer,
                )  # fmt: skip
            else:
                yield json.loads(record.value)

    async def _look(self, _: Round, __: Lane) -> None:
        try:
            for stage, n in (await self._views.stage_counts()).items():
                metrics.STAGE_LEADS.labels(stage).set(n)
            metrics.OPEN_ESCALATIONS.set(await self._views.open_escalations())
            self._answers = True
        except (RedisError, OSError) as error:
            if self._answers:  # said once, not every second
                logger.warning("%s; the views wait", redis_away(self._settings.redis_url, error))
            self._answers = False

    async def teardown(self) -> None:
        """Disconnect."""
        await self._server.stop()
        await self._redis.aclose()


def count(record: dict[str, Any]) -> None:
    """Add one record to the figures."""
    match record["type"]:
        case "intervention_tracked" if record["final"]:
            metrics.OUTCOMES.labels(record["channel"], record["outcome"], record["arm"]).inc()
        case "episode_closed":
            metrics.EPISODE_ENDS.labels(record["outcome"], record["arm"]).inc()
            metrics.SAVED_CENTS.labels(record["arm"]).inc(record["value_cents"])


def lane_settings(settings: Settings) -> LaneSettings:
    """How the report agent reads."""
    return LaneSettings(
        bootstrap=settings.bootstrap,
        group=f"{settings.topic_prefix}report",
        client_id="report",
        session_timeout_s=settings.session_timeout_s,
        commit_interval_s=settings.commit_interval_s,
        # Compacted or written in transactions: offsets may be missing.
        gappy_topics=frozenset(
            settings.topic_prefix + topic.name
            for topic in READS
            if settings.exactly_once or topic is topics.ASSESSMENTS
        ),
    )
