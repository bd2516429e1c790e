"""Watches an engine from outside: how many outputs the broker has, and how much CPU the whole process tree has used."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.brokers import Broker

POLL_S = 0.1
STILL_S = 1.0
"""A log that holds enough and has not grown for this long is complete: transaction markers take offsets as well."""


class EngineFailedError(RuntimeError):
    """An engine ended, or stopped getting on, before its log was done. The text says how far it came."""


class Sample(NamedTuple):
    """How far an engine was at one moment.

    Attributes:
        at: Monotonic seconds.
        cpu_s: User and system seconds of the process and all its children, living or reaped.
        done: Records in the topic that is watched.
    """

    at: float
    cpu_s: float
    done: int


class Pace(NamedTuple):
    """Steady state: events per second by the wall clock, and microseconds of CPU per event."""

    events_per_s: float
    cpu_us: float


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return user and system time of these processes with all their children, in seconds."""
    total = 0.0
    for pid in pids:
        # One that has just ended takes its own time along; its parent holds it as a reaped child's.
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            for process in (root, *root.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += sum(process.cpu_times()[:4])
    return total


def steady(samples: Sequence[Sample], total: int, warm: float, until: float = 0.98) -> Pace:
    """Return the pace between two shares of the work, both by the samples nearest inside.

    Args:
        samples: In order of time.
        total: Events in all.
        warm: Share of the events after which everybody is warm.
        until: Share at which it ends; the last records come in smaller batches.

    Raises:
        EngineFailedError: There are too few samples in between; take more events.
    """
    inside = [s for s in samples if warm * total <= s.done <= until * total]
    if len(inside) < 3 or inside[-1].done == inside[0].done:
        raise EngineFailedError(f"only {len(inside)} samples in steady state: take more events")
    first, last = inside[0], inside[-1]
    events = last.done - first.done
    return Pace(events / (last.at - first.at), (last.cpu_s - first.cpu_s) / events * 1e6)


async def watch(
    broker: Broker,
    topic: str,
    partitions: int,
    *,
    total: int,
    pids: Callable[[], Sequence[int]],
    silence_s: float = 60.0,
    at_rest: bool = True,
) -> list[Sample]:
    """Sample until the topic holds so many records.

    Args:
        broker: Where.
        topic: What is watched: one output per event.
        partitions: Of that topic.
        total: Records awaited.
        pids: Processes at work; called at every sample. Empty = they have ended.
        silence_s: Longest time without any progress.
        at_rest: Go on until it stands still as well.

    Raises:
        EngineFailedError: The engine ended or got stuck.
    """
    reader = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap, enable_auto_commit=False, fetch_max_wait_ms=broker.fetch_max_wait_ms
    )
    await reader.start()
    tps = [TopicPartition(topic, number) for number in range(partitions)]
    reader.assign(tps)
    await reader.seek_to_beginning(*tps)
    if broker.idempotence:
        reader.pause(*tps)
    samples: list[Sample] = []
    read, moved = 0, time.monotonic()
    try:
        while True:
            if broker.idempotence:
                read = sum((await reader.end_offsets(tps)).values())
            else:  # the embedded broker's end offsets are too low: what is there has to be read
                read += sum(map(len, (await reader.getmany(timeout_ms=0)).values()))
            working = pids()
            samples.append(Sample(time.monotonic(), cpu_seconds(working), read))
            if len(samples) < 2 or read > samples[-2].done:
                moved = samples[-1].at
            still_s = samples[-1].at - moved
            if read >= total and (still_s >= STILL_S or not at_rest):
                return samples
            if not working or still_s > silence_s:
                how = "ended" if not working else f"got stuck for {still_s:.0f} s"
                raise EngineFailedError(f"{how} at {read:,} of {total:,} events")
            await asyncio.sleep(POLL_S)
    finally:
        await reader.stop()


async def settled(broker: Broker, group: str, topic: str, partitions: int, *, deadline_s: float = 120.0) -> bool:
    """Wait until a group has committed everything in a topic; return whether it did before the deadline."""
    reader = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, group_id=group, enable_auto_commit=False)
    await reader.start()
    tps = [TopicPartition(topic, number) for number in range(partitions)]
    reader.assign(tps)
    began = time.monotonic()
    try:
        ends = await reader.end_offsets(tps)
        while time.monotonic() - began < deadline_s:
            if all([(await reader.committed(tp) or 0) >= ends[tp] for tp in tps]):
                return True
            await asyncio.sleep(POLL_S)
        return False
    finally:
        await reader.stop()
