"""Puts a policy or model version in force.

Its content is announced on `policies`, and every inbox partition is told from which record on it holds: in the inbox, so that
a replay of the log comes to the same decisions.
"""

from datetime import datetime

from agents.broker import probe
from agents.topics import check
from agents.writer import Out, Writer, partition_for
from schemas import topics
from schemas.errors import Unavailable
from schemas.events import Activate
from schemas.policies import ModelPromoted, PolicyPublished
from streams.ids import derive


async def activate(
    bootstrap: str,
    prefix: str,
    at: datetime,
    *,
    announce: ModelPromoted | PolicyPublished | None = None,
    policy: str | None = None,
    model: str | None = None,
    acting: bool | None = None,
) -> int:
    """Tell all partitions; returns how many.

    Args:
        bootstrap: `host:port[,host:port]`.
        prefix: Of the topics.
        at: Now; where the log carries its own time, that time.
        announce: What to put on `policies` first.
        policy: Version to judge by from here on; None: as before.
        model: Likewise.
        acting: False: watch only; True: act again; None: as before.

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
        if announce is not None:
            key = announce.tenant.encode()
            topic = prefix + topics.POLICIES.name
            await writer.produce([Out(topic, partition_for(key, partitions), key, announce.model_dump_json().encode())])
        await writer.produce(records(prefix, partitions, at, policy=policy, model=model, acting=acting))
    finally:
        await writer.stop()
    return partitions


def records(
    prefix: str,
    partitions: int,
    at: datetime,
    *,
    policy: str | None = None,
    model: str | None = None,
    acting: bool | None = None,
) -> list[Out]:
    """The orders, one for each partition."""
    made = []
    for partition in range(partitions):
        name = derive("act", partition, policy or "", model or "", str(acting), at.isoformat())
        order = Activate(
            type="activate", id=name, partition=partition, at=at, policy=policy, model=model, acting=acting
        )
        value = order.model_dump_json(exclude_none=True).encode()
        key = f"@activate:{partition}".encode()
        made.append(Out(prefix + topics.EVENTS.name, partition, key, value, int(at.timestamp() * 1000)))
    return made
