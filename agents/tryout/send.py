"""Sends a log to a deployment that is somewhere else, and does nothing more."""

import time
from typing import NamedTuple

from agents.broker import probe
from agents.dead_rows import dead_rows
from agents.topics import check
from agents.tryout.feed import Feed
from agents.tryout.plan import Plan
from agents.writer import Writer
from schemas.errors import Unavailable


class Target(NamedTuple):
    """A deployment that is ready to take events.

    Attributes:
        bootstrap: `host:port[,host:port]`.
        prefix: Before every topic.
        partitions: Of the inbox.
        idempotent: Whether its broker hands out producer ids.
    """

    bootstrap: str
    prefix: str
    partitions: int
    idempotent: bool


async def look(bootstrap: str, prefix: str) -> Target:
    """Ask the deployment, before anything is read.

    Raises:
        BrokerUnreachableError: Nothing answers there.
        Unavailable: Its topics are not as they must be.
    """
    flavour = await probe(bootstrap)
    partitions, wrong = await check(bootstrap, prefix)
    if wrong:
        raise Unavailable(f"the topics at {bootstrap} are not as they must be, first: {wrong[0]}")
    return Target(bootstrap, prefix, partitions, flavour.idempotent)


async def send(plan: Plan, target: Target, speed: float | None, step_s: float, *, ticks: bool) -> str:
    """Send dead letters and events (and ticks); returns what was sent, in words."""
    writer = Writer(target.bootstrap, idempotent=target.idempotent, client_id="replay")
    await writer.start()

    async def go_on(_: float) -> None:
        """The deployment keeps up at its own pace."""

    began = time.monotonic()
    try:
        await writer.produce(dead_rows(plan.rejected, target.partitions, target.prefix))
        feed = Feed(writer, target.prefix, target.partitions, go_on)
        if ticks:
            await feed.live(plan.lines, plan.start, plan.end, step_s, speed)
        else:
            await feed.paced(plan.lines, speed)
    finally:
        await writer.stop()
    return f"{feed.sent:,} events and {feed.ticks:,} ticks in {time.monotonic() - began:.1f} s"
