"""The faults: what each does to the world, and what undoes it after how long."""

import asyncio
import json
import random
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from agents.child import LOOPBACK
from agents.writer import Out, Writer, partition_for
from schemas import topics
from tests.chaos.proxy import order
from tests.faults.builds import newer_build
from tests.faults.traffic import PARTITIONS, START
from tests.faults.world import ROOT, World

Undo = tuple[float, Callable[[], object]]
"""Seconds until it is over, and what ends it."""
Fault = Callable[[World, random.Random], Undo | None]
NOTHING_MET = ", met nothing"
"""End of a line of `World.done`: the fault struck, and nobody was there."""
STOP_REDIS, FLUSH_REDIS = "stop redis", "flush redis"
FORGETS = frozenset({STOP_REDIS, FLUSH_REDIS})
"""After these Redis has forgotten everything."""


def kill(world: World, chance: random.Random) -> None:
    """Kill -9 of any worker."""
    world.kill(chance.choice(world.workers()))


def kill_lead(world: World, chance: random.Random) -> None:
    """Kill -9 of a lead agent."""
    world.kill(chance.choice(world.workers("lead-")))


def kill_courier(world: World, chance: random.Random) -> None:
    """Kill -9 of a courier."""
    world.kill(chance.choice([name for name in world.workers() if not name.startswith("lead-")]))


def kind(fault: Fault) -> str:
    """Two faults of a kind do not strike at the same time: the first would end with the second, or the second be none."""
    return str(getattr(fault, "__qualname__", fault))


def met(what: str, number: int) -> str:
    """What to note of a fault once it is over: how many connections, or pieces of data, it met."""
    return f"{what}, met {number:,}" if number else what + NOTHING_MET


def pause(world: World, chance: random.Random) -> Undo:
    """A lead agent stops in its tracks for twice its session."""
    name = chance.choice(world.workers("lead-"))
    world.pause(name)
    return 2 * world.session_s, partial(world.wake, name)


def scale_up(world: World, _: random.Random) -> Undo:
    """From as many lead agents as there are to three, and after a while back to one."""
    world.scale(3)
    return 3 * world.session_s, partial(world.scale, 1)


def upgrade(world: World, chance: random.Random) -> Undo:
    """A lead agent is replaced by that of a newer build, beside the others, and after a while by the older one again."""
    name = chance.choice(world.workers("lead-"))
    world.renew(name, newer_build(world.folder))
    return 3 * world.session_s, partial(world.renew, name, ROOT)


def stop_redis(seconds: float) -> Fault:
    """Redis is gone for some seconds, and comes back empty."""

    def fault(world: World, _: random.Random) -> Undo:
        world.stop_redis()
        world.done.append(STOP_REDIS)
        return seconds, world.start_redis

    return fault


def flush_redis(world: World, _: random.Random) -> None:
    """Redis forgets everything while it serves."""
    world.tell_redis("FLUSHALL")
    world.done.append(FLUSH_REDIS)


def read_only_redis(world: World, _: random.Random) -> Undo:
    """Redis answers, but takes no writes: it was made the replica of a master that is not there."""
    world.tell_redis("REPLICAOF", LOOPBACK, "1")
    world.done.append("read-only redis")
    return 8.0, partial(world.tell_redis, "REPLICAOF", "NO", "ONE")


def slow_redis(world: World, _: random.Random) -> Undo:
    """Every word to and from Redis takes 2 s; needs `Run.redis_proxy`."""
    order(world.redis_control, "slow 2")
    return 8.0, lambda: world.done.append(met("slow redis", order(world.redis_control, "open")))


def poison(world: World, chance: random.Random) -> None:
    """Two records among those of a partition that end the process which folds them, where it is troubled so (`DEADLY`)."""
    records = [_deadly(world.prefix, f"poison-{chance.randrange(1 << 32)}") for _ in range(2)]
    run_apart(write(world, records))
    world.done.append("2 poison records")


def _deadly(prefix: str, name: str) -> Out:
    key = b"acme:lead-1"
    at = START + timedelta(minutes=1)
    body = {"v": 1, "type": "item_viewed", "id": name, "tenant": "acme", "lead": "lead-1", "at": at.isoformat()}
    where = partition_for(key, PARTITIONS)
    return Out(prefix + topics.EVENTS.name, where, key, json.dumps(body).encode(), int(at.timestamp() * 1000))


async def write(world: World, records: list[Out]) -> None:
    """Send records to the broker, as any producer."""
    writer = Writer(world.bootstrap, idempotent=world.idempotent)
    await writer.start()
    await writer.produce(records)
    await writer.stop()


T = TypeVar("T")


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """In a loop of its own: faults strike inside the test's."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
