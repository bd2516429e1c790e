"""The world of a courier test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.units import Channel
from tests.broker.courier_world import World
from tests.brokers import Broker, Topics


@pytest.fixture
def world(broker: Broker, topics: Topics, redis_url: str, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes the world of one channel; at most one a test."""
    made: list[World] = []

    def make(channel: Channel, redis: str = redis_url) -> World:
        made.append(World(broker, topics, redis, channel, tmp_path))
        return made[-1]

    yield make
    for each in made:
        each.__exit__()
        for log in sorted(tmp_path.glob("courier-*.log")):
            sys.stdout.write(f"--- {log.name}\n{log.read_text()[-3000:]}\n")
