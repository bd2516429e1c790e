"""The faults: what each does to the world, and what undoes it after how long."""

import random
from collections.abc import Callable
from functools import partial

import redis

from agents.child import LOOPBACK
from tests.chaos.proxy import order
from tests.faults.world import World

Undo = tuple[float, Callable[[], None]]
"""Seconds until it is over, and what ends it."""
Fault = Callable[[World, random.Random], Undo | None]


def kill(world: World, chance: random.Random) -> None:
    """Kill -9 of any worker."""
    world.kill(chance.choice(world.workers()))


def kill_lead(world: World, chance: random.Random) -> None:
    """Kill -9 of a lead agent."""
    world.kill(chance.choice(world.workers("lead-")))


def pause(world: World, chance: random.Random) -> Undo:
    """A lead agent stops in its tracks for twice its session."""
    name = chance.choice(world.workers("lead-"))
    world.pause(name)
    return 2 * world.session_s, partial(world.wake, name)


def scale_up(world: World, _: random.Random) -> Undo:
    """From as many lead agents as there are to three, and after a while back to one."""
    world.scale(3)
    return 3 * world.session_s, partial(world.scale, 1)


def stop_redis(world: World, _: random.Random) -> Undo:
    """Redis is gone for some seconds, and comes back empty."""
    world.stop_redis()
    return 4.0, world.start_redis


def flush_redis(world: World, _: random.Random) -> None:
    """Redis forgets everything while it serves."""
    with redis.Redis.from_url(world.redis_url) as client:
        client.flushall()
    world.done.append("flush redis")


def read_only_redis(world: World, _: random.Random) -> Undo:
    """Redis answers, but takes no writes: it was made the replica of a master that is not there."""
    return 8.0, _set_redis(world, "replica of nobody", ("REPLICAOF", LOOPBACK, "1"), ("REPLICAOF", "NO", "ONE"))


def slow_redis(world: World, _: random.Random) -> Undo:
    """Every word to and from Redis takes 2 s; needs `Run.redis_proxy`."""
    order(world.redis_control, "slow 2")
    world.done.append("slow redis")
    return 8.0, partial(order, world.redis_control, "open")


def _set_redis(world: World, what: str, now: tuple[str, ...], later: tuple[str, ...]) -> Callable[[], None]:
    def tell(words: tuple[str, ...]) -> None:
        with redis.Redis.from_url(world.redis_url) as client:
            client.execute_command(*words)

    tell(now)
    world.done.append(what)
    return partial(tell, later)
