"""The faults: what each does to the world, and what undoes it after how long."""

import random
from collections.abc import Callable
from functools import partial

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


FAULTS: dict[str, Fault] = {
    "kill": kill,
    "kill-lead": kill_lead,
    "pause": pause,
    "scale": scale_up,
    "redis-stop": stop_redis,
}
"""By the name under which a run asks for them."""
