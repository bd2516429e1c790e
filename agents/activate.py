"""Puts a policy or model version in force.

Its content is announced on `policies`, and every inbox partition is told from which record on it holds: in the inbox, so that
a replay of the log comes to the same decisions. The announcement is acknowledged before the order is sent: a worker that
meets the order finds the content.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from agents.broker import probe
from agents.topics import check
from agents.writer import Out, Writer, partition_for
from schemas import topics
from schemas.errors import Unavailable
from schemas.events import Activate
from schemas.policies import Published, key_of
from streams.ids import derive


async def activate(
    bootstrap: str,
    prefix: str,
    at: datetime,
    *,
    announce: Sequence[Published] = (),
    policy: str | None = None,
    model: str | None = None,
    weights: str | None = None,
    acting: bool | None = None,
    share: float | None = None,
    tenant: str = "*",
    head_start_s: float = 0.0,
) -> int:
    """Tell all partitions; returns how many.

    Args:
        bootstrap: `host:port[,host:port]`.
        prefix: Of the topics.
        at: Now; where the log carries its own time, that time.
        announce: What to put on `policies` first.
        policy: Version to judge by from here on; None: as before.
        model: Likewise.
        weights: What was learned and counts from here on; None: as before.
        acting: False: watch only; True: act again; None: as before.
        share: Of the tenant's leads that the version judges, 0 to 1; None: it judges everybody's.
        tenant: Whose; `*`: of every tenant that has no share of its own.
        head_start_s: Seconds between announcement and order, in which workers load what was announced. Without it nothing
            goes wrong, but the record after the order waits until they have.

    Raises:
        Unavailable: The topics are not as they must be.
    """
    ordering = not (policy is None and model is None and weights is None and acting is None)
    flavour = await probe(bootstrap)
    partitions, wrong = await check(bootstrap, prefix)
    if wrong:
        raise Unavailable(wrong[0])
    writer = Writer(bootstrap, idempotent=flavour.idempotent, client_id="activate")
    await writer.start()
    try:
        await writer.produce(announcements(prefix, partitions, announce))
        if ordering:
            await asyncio.sleep(head_start_s)
            orders = records(
                prefix,
                partitions,
                at,
                policy=policy,
                model=model,
                weights=weights,
                acting=acting,
                share=share,
                tenant=tenant,
            )
            await writer.produce(orders)
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


def records(
    prefix: str,
    partitions: int,
    at: datetime,
    *,
    policy: str | None = None,
    model: str | None = None,
    weights: str | None = None,
    acting: bool | None = None,
    share: float | None = None,
    tenant: str = "*",
    within_minutes: float = 30.0,
) -> list[Out]:
    """The orders, one for each partition; see `Activate`."""
    made = []
    for partition in range(partitions):
        of_some = () if share is None else (str(share), tenant)
        learned = () if weights is None else (weights,)
        name = derive("act", partition, policy or "", model or "", str(acting), at.isoformat(), *of_some, *learned)
        order = Activate(
            type="activate",
            id=name,
            partition=partition,
            at=at,
            policy=policy,
            model=model,
            weights=weights,
            acting=acting,
            share=share,
            tenant=tenant,
            within_minutes=within_minutes,
        )
        value = order.model_dump_json(exclude_none=True).encode()
        key = f"@activate:{partition}".encode()
        made.append(Out(prefix + topics.EVENTS.name, partition, key, value, int(at.timestamp() * 1000)))
    return made
