"""How long a partition stands still when a worker joins, leaves or dies, at a steady thin load.

Measured from outside: the longest time between two assessments of a partition that arrive at a reader after the
change, in a stream in which each event has one: of each partition, and the longest of all. The first line, where nothing happens,
says what is usual. Takes two minutes a repeat.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from tests.bench import model
from tests.bench.figures import Bench, Figure
from tests.bench.lead_log import LeadLog, now
from tests.bench.lead_worker import LeadWorkers
from tests.bench.progress import EngineFailedError
from tests.bench.stream import Streamed, stream

NAME = "rebalance"
RATE = 1_000
LEADS = 100_000
SETTLE_S = 20.0
"""From one change to the next: longer than a session and a recovery."""
CALM_S = 5.0
_WAKE = 16
_JUST_BEFORE_S = 0.5
"""A standstill begins with the last arrival before the change."""


def run(bench: Bench) -> Iterator[Figure]:
    """Give the longest standstill of each partition, and of any, after each change."""
    models = bench.folder / "models-rebalance"
    model.prepare(models, every_event=True)
    log = LeadLog(min(LEADS, *bench.leads), _WAKE, 4, 320, models, now())
    for _ in range(bench.repeat):
        yield from _changes(bench, log)


def _changes(bench: Bench, log: LeadLog) -> Iterator[Figure]:
    prefix = asyncio.run(log.lay(bench.broker))
    about = Figure(NAME, f"{RATE:,}/s, {log.leads:,} leads", "", "longest standstill", 0.0, "s")
    done: list[tuple[str, float]] = []
    with LeadWorkers(bench.broker, prefix, log.models, bench.folder) as workers:

        def killed() -> None:
            workers.children[-1].kill()

        changes: list[tuple[str, Callable[[], object]]] = [
            ("nothing happens", lambda: None),
            ("a worker joins", workers.add),
            ("a worker leaves", lambda: workers.children[1].stop(30.0)),
            ("another joins", workers.add),
            ("a worker is killed", killed),
        ]

        def change() -> None:
            time.sleep(CALM_S)  # the schedule of the changes
            for name, act in changes:
                done.append((name, time.monotonic()))
                act()
                time.sleep(max(0.0, done[-1][1] + SETTLE_S - time.monotonic()))

        try:
            workers.ready()
            seconds = CALM_S + len(changes) * SETTLE_S
            seen = stream(bench.broker, log, prefix, bench.folder, rate=RATE, seconds=seconds, meanwhile=change)
        except EngineFailedError as error:
            yield replace(about, void=str(error))
            return
    load = round(os.getloadavg()[0], 2)
    ends = [*(at for _, at in done[1:]), np.inf]
    for (name, at), end in zip(done, ends, strict=True):
        gaps = _longest(seen, at - _JUST_BEFORE_S, end - _JUST_BEFORE_S, log.partitions)
        about = replace(about, subject=name, void="" if seen.drained else "events were left over", load=load)
        yield replace(about, value=max(gaps))
        yield from (replace(about, metric=f"partition {n}", value=gap) for n, gap in enumerate(gaps))


def _longest(seen: Streamed, begin: float, end: float, partitions: int) -> list[float]:
    """By partition, the longest time without an arrival of those that begin within a span, in seconds."""
    longest = []
    for number in range(partitions):
        times = np.sort(seen.assessed[seen.assessed[:, 2] == number, 1])
        begins, gaps = times[:-1], np.diff(times)
        inside = gaps[(begins >= begin) & (begins < end)]
        longest.append(float(inside.max()) if len(inside) else 0.0)
    return longest
