"""Puts a policy or model version in force.

Its content is announced on `policies`, and every inbox partition is told from which record on it holds: in the inbox, so that
a replay of the log comes to the same decisions. The announcement is acknowledged before the order is sent: a worker that
meets the order finds the content.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from agents.broker import probe
from agents.topics import check
from agents.writer import Out, Writer, partition_for
from schemas import topics
from schemas.errors import Unavailable
from schemas.events import Activate
from schemas.policies import Published, key_of
from streams.env import EVERYONE
from streams.ids import derive


class Order(NamedTuple):
    """What is put in force; None: as before.

    Attributes:
        policy: Version to judge by from here on.
        model: Likewise.
        weights: What was learned and counts from here on.
        acting: False: watch only; True: act again.
        share: Of the tenant's leads that the version judges, 0 to 1; None: it judges everybody's.
        tenant: Whose; `*`: of every tenant that has no share of its own.
    """

    policy: str | None = None
    model: str | None = None
    weights: str | None = None
    acting: bool | None = None
    share: float | None = None
    tenant: str = EVERYONE


NOTHING = Order()


async def activate(
    bootstrap: str,
    prefix: str,
    at: datetime,
    order: Order = NOTHING,
    *,
    announce: Sequence[Published] = (),
    head_start_s: float = 0.0,
) -> int:
    """Tell all partitions; returns how many.

    Args:
        bootstrap: `host:port[,host:port]`.
        prefix: Of the topics.
        at: Now; where the log carries its own time, that time.
        order: What to put in force.
        announce: What to put on `policies` first.
        head_start_s: Seconds between announcement and order, in which workers load what was announced. Without it nothing
            goes wrong, but the record after the order waits until they have.

    Raises:
        Unavailable: The topics are not as they must be.
    """
    flavour = await probe(bootstrap)
    partitions, wrong = await check(bootstrap, prefix)
    if wrong:
        raise Unavailable(wrong[0])
    writer = Writer(bootstrap, idempotent=flavour.idempotent, client_id="activate")
    await writer.start()
    try:
        await writer.produce(announcements(prefix, partitions, announce))
        if order != NOTHING:
            await asyncio.sleep(head_start_s)
            await writer.produce(records(prefix, partitions, at, order))
    finally:
        await writer.stop()
    return partitions


def announcements(prefix: str, partitions: int, announced: Sequence[Published]) -> list[Out]:
    """Records of `policies`."""
    topic = prefix + topics.POLICIES.name
    return [
        Out(topic, partition_for(key_of(one), partitions), key_of(one), one.model_dump_json().encode())
        for one in announced
    ]


def records(prefix: str, partitions: int, at: datetime, order: Order, *, within_minutes: float = 30.0) -> list[Out]:
    """The orders, one for each partition; see `Activate`."""
    made = []
    for partition in range(partitions):
        of_some = () if order.share is None else (str(order.share), order.tenant)
        learned = () if order.weights is None else (order.weights,)
        told = order.policy or "", order.model or "", str(order.acting), at.isoformat()
        name = derive("act", partition, *told, *of_some, *learned)
        record = Activate(
            type="activate", id=name, partition=partition, at=at, within_minutes=within_minutes, **order._asdict()
        )
        value = record.model_dump_json(exclude_none=True).encode()
        key = f"@activate:{partition}".encode()
        made.append(Out(prefix + topics.EVENTS.name, partition, key, value, int(at.timestamp() * 1000)))
    return made
