"""The faults: what each does to the world, and what undoes it after how long."""

import random
from collections.abc import Callable
from functools import partial

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


def stop_redis(world: World, _: random.Random) -> Undo | None:
    """Redis is gone for some seconds, and comes back empty."""
    if not world.redis.running:
        return None  # it is gone already
    world.stop_redis()
    return 4.0, world.start_redis


def flush_redis(world: World, _: random.Random) -> None:
    """Redis forgets everything while it serves."""
    world.tell_redis("FLUSHALL")
    world.done.append("flush redis")


def read_only_redis(world: World, _: random.Random) -> Undo:
    """Redis answers, but takes no writes: it was made the replica of a master that is not there."""
    world.tell_redis("REPLICAOF", LOOPBACK, "1")
    world.done.append("read-only redis")
    return 8.0, partial(world.tell_redis, "REPLICAOF", "NO", "ONE")


def slow_redis(world: World, _: random.Random) -> Undo:
    """Every word to and from Redis takes 2 s; needs `Run.redis_proxy`."""
    order(world.redis_control, "slow 2")
    world.done.append("slow redis")
    return 8.0, partial(order, world.redis_control, "open")
