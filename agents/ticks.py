"""Time as a message: what a clock, or a replay in event time, sends into a partition of the inbox."""

from collections.abc import Iterable
from datetime import datetime

from agents.writer import Out
from schemas import topics
from schemas.events import Tick
from streams.partition import Partition
from streams.sweep import turn_of

LOOKS = 10_000
"""Leads that a tick has looked at on a partition, about: 0.2 s of CPU where nothing moves, 1.5 s where each enters a stage. After an
outage, or once a long history was taken in, a million can be due at the same time; events would wait for all of them."""


def ticks_for(prefix: str, partitions: Iterable[Partition], at: datetime, every_s: float) -> list[Out]:
    """One for each partition, as short as it takes for its leads to be no more than `LOOKS` at a time."""
    beat, now = int(at.timestamp() // every_s), at.timestamp()
    return [
        tick_record(prefix, p.number, at, f"tick-{p.number}-{beat}", until=turn_of(p, now, LOOKS)) for p in partitions
    ]


def tick_record(
    prefix: str,
    partition: int,
    at: datetime,
    tick_id: str,
    headers: list[tuple[str, bytes]] | None = None,
    until: datetime | None = None,
) -> Out:
    """A tick for one inbox partition; its timestamp is its own time. For `until` see `Tick`."""
    tick = Tick(type="tick", id=tick_id, partition=partition, at=at, until=until)
    value = tick.model_dump_json(exclude_none=True).encode()
    return Out(
        prefix + topics.EVENTS.name,
        partition,
        f"@tick:{partition}".encode(),
        value,
        int(at.timestamp() * 1000),
        headers,
    )
