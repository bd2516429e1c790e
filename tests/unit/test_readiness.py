"""A worker is ready when it has read its state back, not as soon as it has partitions."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, cast

from aiokafka import TopicPartition

from agents.lane import Lane
from agents.rounds import LaneStats, Round
from agents.safety import Lease
from agents.serve import HealthServer
from agents.turns import Turns

HERE = TopicPartition("in", 0)


class _Job:
    """Reads its state back for as long as it is told to."""

    def __init__(self) -> None:
        self.recovered = asyncio.Event()

    async def on_assigned(self, _: frozenset[TopicPartition]) -> None:
        await self.recovered.wait()

    async def process(self, *_: Any) -> None:
        """Nothing follows."""


def _asked(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


async def _seen() -> list[int]:
    job, stats = _Job(), LaneStats()
    lane = SimpleNamespace(
        lease=Lease(6.0), stats=stats, owned=lambda: frozenset({HERE}), flow_active=True, waiting=0,
        still_owner=lambda _: True, finish=lambda _: None,
    )  # fmt: skip
    lane.turns = Turns(cast("Lane", lane), cast("Any", job))
    server = HealthServer(cast("Lane", lane), "127.0.0.1", 0)
    await server.start()
    seen = [await asyncio.to_thread(_asked, server.port)]
    stats.generations = 1
    work = asyncio.create_task(lane.turns.run(Round(1, {})))
    seen.append(await asyncio.to_thread(_asked, server.port))
    job.recovered.set()
    await work
    seen.append(await asyncio.to_thread(_asked, server.port))
    lane.flow_active = False  # partitions are on the move
    seen.append(await asyncio.to_thread(_asked, server.port))
    lane.flow_active = True
    lane.turns.unsettle()
    seen.append(await asyncio.to_thread(_asked, server.port))
    await server.stop()
    return seen


def test_ready_when_state_was_read_back() -> None:
    busy = HTTPStatus.SERVICE_UNAVAILABLE
    assert asyncio.run(_seen()) == [busy, busy, HTTPStatus.OK, busy, busy]
