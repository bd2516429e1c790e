"""The report agent: reads what the lead agent concluded, keeps views in Redis and figures for Prometheus."""

import json
import logging
from typing import Any

from aiokafka import TopicPartition
from redis.asyncio import Redis
from redis.exceptions import RedisError

from agents import metrics
from agents.couriers.run import open_redis
from agents.lane import Lane, LaneSettings, Round
from agents.safety import retry
from agents.serve import HealthServer
from agents.settings import Settings
from agents.views import Views
from schemas import topics

logger = logging.getLogger(__name__)

READS = (topics.ASSESSMENTS, topics.DECISIONS, topics.ESCALATIONS, topics.OUTCOMES)


class ReportJob:
    """A `RoundHandler` for the topics of `READS`. Holds no state: views are in Redis, counters start at 0 with the process."""

    def __init__(self, settings: Settings) -> None:
        """Remember the settings."""
        self._settings = settings
        self._redis: Redis = open_redis(settings.redis_url)
        self._views = Views(self._redis, settings.topic_prefix)

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
        records: list[dict[str, Any]] = [
            json.loads(r.value) for batch in round_.batches.values() for r in batch if r.value
        ]

        async def write() -> None:
            await self._views.write(records)

        while True:
            try:
                await retry(write, on=(RedisError, OSError), excuse=lane.watchdog.excuse)
                break
            except (RedisError, OSError):
                logger.warning("Redis at %s is down; the report waits", self._settings.redis_url)
                if not lane.still_owner(round_):
                    return
        for record in records:
            count(record)

    async def _look(self, _: Round, __: Lane) -> None:
        try:
            for stage, n in (await self._views.stage_counts()).items():
                metrics.STAGE_LEADS.labels(stage).set(n)
            metrics.OPEN_ESCALATIONS.set(await self._views.open_escalations())
        except (RedisError, OSError) as error:
            logger.warning("the views could not be counted: %r", error)

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
