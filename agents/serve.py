"""`/metrics`, `/health` and `/ready` of a worker, on a port of its own."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import generate_latest

from agents import metrics
from agents.lane import Lane
from agents.rounds import LaneStats


def export_lane(stats: LaneStats) -> None:
    """Copy the lane's figures into their gauges."""
    metrics.LAG.clear()  # of partitions that are somebody else's now
    for tp, lag in stats.lag.items():
        metrics.LAG.labels(tp.topic, str(tp.partition)).set(lag)
    metrics.REWINDS.set(stats.rewinds)
    metrics.DATA_LOSS.set(stats.data_loss)
    metrics.ROUNDS.set(stats.rounds)
    metrics.RECORDS.set(stats.records)
    metrics.STALE_ROUNDS.set(stats.dropped_stale)
    metrics.RECOVERY_SECONDS.set(stats.recovery_s)
    metrics.LAST_COMMIT.set(stats.last_commit)
    metrics.PAUSED.set(len(stats.paused))


class HealthServer:
    """Serves the process's figures.

    Args:
        lane: Whose health it is. Healthy while the loop ticks; ready once partitions were assigned and none is paused.
        host: Address to listen on.
        port: 0 for a free one; `port` then says which.
        export: Called before each scrape, to copy figures that are kept elsewhere.
        progress: How far the worker is, shown by /ready; cheap enough to be asked all the time.
    """

    def __init__(
        self,
        lane: Lane,
        host: str,
        port: int,
        export: Callable[[], None] = lambda: None,
        progress: Callable[[], dict[str, float]] = dict,
    ) -> None:
        """Nothing listens yet."""
        self._lane, self._host, self.port, self._export, self._progress = lane, host, port, export, progress
        app = web.Application()
        app.add_routes(
            [web.get("/metrics", self._metrics), web.get("/health", self._health), web.get("/ready", self._ready)]
        )
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        await site.start()
        addresses = self._runner.addresses
        self.port = int(addresses[0][1])

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        export_lane(self._lane.stats)
        self._export()
        return web.Response(body=generate_latest(metrics.REGISTRY), content_type="text/plain", charset="utf-8")

    async def _health(self, _: web.Request) -> web.Response:
        age = self._lane.lease.age_s
        return web.json_response({"status": "ok", "loop_age_s": round(age, 3)})

    async def _ready(self, _: web.Request) -> web.Response:
        stats = self._lane.stats
        if not stats.generations:
            return web.json_response({"ready": False, "partitions": 0, "paused": []}, status=503)
        ready = not stats.paused
        paused = sorted(f"{tp.topic}[{tp.partition}]" for tp in stats.paused)
        body = {"ready": ready, "partitions": len(self._lane.owned()), "paused": paused, **self._progress()}
        return web.json_response(body, status=200 if ready else 503)
