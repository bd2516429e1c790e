"""`/metrics`, `/health` and `/ready` of a worker, on a port of its own."""

from collections.abc import Callable
from typing import Any

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


class StatusServer:
    """Serves the figures of a process on a port of its own.

    Args:
        host: Address to listen on.
        port: 0 for a free one; `port` then says which.
        export: Called before each scrape, to copy figures that are kept elsewhere.
        health: What /health adds to its "ok".
        ready: Whether the process is ready, and what /ready says besides; cheap enough to be asked all the time.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        export: Callable[[], None] = lambda: None,
        health: Callable[[], dict[str, Any]] = dict,
        ready: Callable[[], tuple[bool, dict[str, Any]]],
    ) -> None:
        """Nothing listens yet."""
        self._host, self.port, self._export, self._healthy, self._is_ready = host, port, export, health, ready
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
        self._export()
        return web.Response(body=generate_latest(metrics.REGISTRY), content_type="text/plain", charset="utf-8")

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok", **self._healthy()})

    async def _ready(self, _: web.Request) -> web.Response:
        ready, body = self._is_ready()
        return web.json_response({"ready": ready, **body}, status=200 if ready else 503)


class HealthServer(StatusServer):
    """Serves the figures of a worker with a lane.

    Args:
        lane: Whose health it is. Healthy while the loop ticks; ready once partitions were assigned, their state was read
            back and none is paused.
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

        def figures() -> None:
            export_lane(lane.stats)
            export()

        def ready() -> tuple[bool, dict[str, Any]]:
            stats = lane.stats
            if not stats.generations:
                return False, {"partitions": 0, "recovered": False, "paused": []}
            paused = sorted(f"{tp.topic}[{tp.partition}]" for tp in stats.paused)
            body = {"partitions": len(lane.owned()), "recovered": lane.turns.settled, "paused": paused, **progress()}
            return lane.turns.settled and not paused, body

        def health() -> dict[str, Any]:
            return {"loop_age_s": round(lane.lease.age_s, 3)}

        super().__init__(host, port, export=figures, health=health, ready=ready)
