"""Time as a message: what a clock, or a replay in event time, sends into a partition of the inbox."""

from collections.abc import Sequence
from datetime import datetime

from agents.writer import Out
from schemas import topics
from schemas.events import Tick
from streams.partition import Partition
from streams.sweep import turn_of, waiting

BUDGET_S = 2.0
"""About as long may the leads take that have their turn by the ticks of one moment, and events wait for them. After an outage, or
once a long history was taken in, a million can be due at the same time."""
FEWEST, MOST = 2_000, 16_000
"""Leads, over all partitions of a worker. The most take 0.3 s of CPU where nothing moves and 14 s where each enters a stage; a round
that does not end within 30 s of a rebalance ends its worker (`agents/lane.py`)."""


class Pace:
    """How many leads may have their turn at a time, learned from what the last ones took."""

    def __init__(self) -> None:
        """The fewest: nothing is known yet."""
        self._looks = FEWEST

    def note(self, looks: int, seconds: float) -> None:
        """So many looks took so long. Grows by no more than the double: whom the next tick finds may cost fifty times as much."""
        if looks >= FEWEST // 8:  # of few the events beside them are most of it
            self._looks = int(max(FEWEST, min(MOST, 2 * self._looks, looks * BUDGET_S / seconds)))

    def most(self, crowded: int) -> int:
        """How many that are on each of the partitions where any wait."""
        return max(1, self._looks // max(1, crowded))


def ticks_for(prefix: str, partitions: Sequence[Partition], at: datetime, pace: Pace) -> tuple[list[Out], bool]:
    """One for each partition, as short as it takes for its leads to be no more than `pace` says; whether some must wait."""
    now = at.timestamp()
    due = [waiting(p, now) for p in partitions]
    most = pace.most(sum(len(moments) > 0 for moments in due))
    turns = [turn_of(moments, most) for moments in due]
    ticks = [
        tick_record(prefix, p.number, at, f"tick-{p.number}-{int(now * 1000)}", until=until)
        for p, until in zip(partitions, turns, strict=True)
    ]
    return ticks, any(until is not None for until in turns)


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
