"""Sends a recorded log into `lead.events` in event time: events with their own timestamps, and ticks between them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from agents.activate import Order, records
from agents.arrival import SENT_HEADER
from agents.ticks import tick_record
from agents.writer import Out, Writer, partition_for
from schemas import topics

BATCH = 4000


class Line(NamedTuple):
    """One event of the log, ready to send."""

    at_ms: int
    key: bytes
    value: bytes


class Feed:
    """Sends; counts what it sent.

    Args:
        writer: Started.
        prefix: Of the topics.
        partitions: Of the inbox.
        gate: Awaited with the event time (epoch seconds) reached; returns when the product has kept up.
    """

    def __init__(self, writer: Writer, prefix: str, partitions: int, gate: Callable[[float], Awaitable[None]]) -> None:
        """Nothing is sent yet."""
        self._writer, self._prefix, self._partitions, self._gate = writer, prefix, partitions, gate
        self.sent = 0
        self.ticks = 0
        self.now = 0.0

    def _out(self, line: Line) -> Out:
        sent = [(SENT_HEADER, str(int(time.time() * 1000)).encode())]
        partition = partition_for(line.key, self._partitions)
        return Out(self._prefix + topics.EVENTS.name, partition, line.key, line.value, line.at_ms, sent)

    async def history(self, lines: Sequence[Line], look: Callable[[float], Awaitable[None]]) -> None:
        """Send without ticks, in batches, as fast as it is taken; `look` is told the event time (epoch seconds) reached."""
        for start in range(0, len(lines), BATCH):
            piece = lines[start : start + BATCH]
            await self._writer.produce([self._out(line) for line in piece])
            self.sent += len(piece)
            self.now = piece[-1].at_ms / 1000
            await look(self.now)

    async def paced(self, lines: Sequence[Line], speed: float | None) -> None:
        """Send without ticks, at a multiple of the pace at which it happened (None: as fast as the broker takes it)."""
        began, start = time.monotonic(), lines[0].at_ms / 1000 if lines else 0.0
        i = 0
        while i < len(lines):
            if speed is None:
                piece = lines[i : i + BATCH]
            else:
                await asyncio.sleep(max(0.0, (lines[i].at_ms / 1000 - start) / speed - (time.monotonic() - began)))
                until = start + (time.monotonic() - began) * speed
                size = 1
                while i + size < len(lines) and lines[i + size].at_ms / 1000 <= until and size < BATCH:
                    size += 1
                piece = lines[i : i + size]
            await self._writer.produce([self._out(line) for line in piece])
            i += len(piece)
            self.sent += len(piece)

    async def activate(self, at: float, *, acting: bool) -> None:
        """Tell every partition to start or stop acting, from event time `at` (epoch seconds) on."""
        when = datetime.fromtimestamp(at, UTC)
        await self._writer.produce(records(self._prefix, self._partitions, when, Order(acting=acting)))

    async def live(self, lines: Sequence[Line], start: float, end: float, step_s: float, speed: float | None) -> None:
        """Send with a tick on every partition each `step_s` seconds of event time, from `start` to `end` (epoch seconds).

        Args:
            lines: In time order, none before `start`.
            start: First moment.
            end: Last moment; ticks go on to it.
            step_s: Between ticks.
            speed: Event seconds per second; None: as fast as the product keeps up.
        """
        steps = _steps(lines, start, end, step_s)
        began = time.monotonic()
        for moment, piece in steps:
            if speed is not None:
                await asyncio.sleep(max(0.0, (moment - start) / speed - (time.monotonic() - began)))
            await self._writer.produce([self._out(line) for line in piece])
            self.sent += len(piece)
            await self.tick(moment)

    async def tick(self, moment: float) -> None:
        """Tell every partition what time it is (epoch seconds)."""
        at = datetime.fromtimestamp(moment, UTC)
        sent = [(SENT_HEADER, str(int(time.time() * 1000)).encode())]
        ticks = [tick_record(self._prefix, p, at, f"tick-{p}-{int(moment)}", sent) for p in range(self._partitions)]
        await self._writer.produce(ticks)
        self.ticks += len(ticks)
        self.now = moment
        await self._gate(moment)


def _steps(lines: Sequence[Line], start: float, end: float, step_s: float) -> Iterator[tuple[float, list[Line]]]:
    """Moments and the events since the one before."""
    at, i = start, 0
    while at < end:
        at = min(at + step_s, end)
        first = i
        while i < len(lines) and lines[i].at_ms <= at * 1000:
            i += 1
        yield at, list(lines[first:i])
