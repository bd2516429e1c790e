"""Time as a message: what a clock, or a replay in event time, sends into a partition of the inbox."""

from datetime import datetime

from agents.writer import Out
from schemas import topics
from schemas.events import Tick


def tick_record(
    prefix: str, partition: int, at: datetime, tick_id: str, headers: list[tuple[str, bytes]] | None = None
) -> Out:
    """A tick for one inbox partition; its timestamp is its own time."""
    tick = Tick(type="tick", id=tick_id, partition=partition, at=at)
    value = tick.model_dump_json().encode()
    return Out(
        prefix + topics.EVENTS.name,
        partition,
        f"@tick:{partition}".encode(),
        value,
        int(at.timestamp() * 1000),
        headers,
    )
