"""A courier whose figures can be scraped."""

import logging

from agents import metrics
from agents.couriers.job import CourierJob
from agents.lane import Lane
from agents.serve import HealthServer

logger = logging.getLogger(__name__)


class ServedCourier(CourierJob):
    """The courier job with `/metrics`, `/health` and `/ready` beside it."""

    async def setup(self, lane: Lane) -> None:
        """Listen first: a port that is taken ends the process before anything was sent."""
        self._server = HealthServer(
            lane, self.settings.metrics_host, self.settings.metrics_port, self._export, self._progress
        )
        await self._server.start()
        logger.info("metrics at http://%s:%d/metrics", self.settings.metrics_host, self._server.port)
        await super().setup(lane)

    async def teardown(self) -> None:
        """Stop listening last."""
        await super().teardown()
        await self._server.stop()

    def _progress(self) -> dict[str, float]:
        return {"ended": sum(self.stats.ended.values())}

    def _export(self) -> None:
        channel, stats = str(self.channel.name), self.stats
        for state, n in stats.ended.items():
            metrics.SENDS.labels(channel, state).set(n)
        for kind, n in stats.answers.items():
            metrics.PROVIDER_ANSWERS.labels(channel, kind).set(n)
        for reason, n in stats.dead_letters.items():
            metrics.REJECTED_COMMANDS.labels(channel, reason).set(n)
        metrics.IN_DOUBT.labels(channel).set(stats.in_doubt)
        metrics.WAITING.labels(channel).set(stats.waiting)
        metrics.PROVIDER_SECONDS.labels(channel).set(stats.call_seconds)
