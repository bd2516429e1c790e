"""The count job: parse, count per key, a durable changelog, one output per event; ours beside Faust, Quix and Kafka Streams.

Of few keys the lane writes less to its changelog than engines that write each change: it writes each key once a round.
All read the same preloaded log, one after another, each repeat all of them. Measured is the steady state: what comes after
the first third of the events (a JVM needs about a million to be warm) and before the last hundredth. An engine whose
outputs or changelog do not hold exactly the true counts gets no figure.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from dataclasses import replace

from agents.child import ChildProcess
from tests.bench.count_engines import ENGINES, Engine, Lane
from tests.bench.count_log import PARTITIONS, CountLog, fill, verify
from tests.bench.figures import Bench, Figure
from tests.bench.progress import EngineFailedError, steady, watch
from tests.brokers import Topics
from tests.worlds import ROOT

WARM = 1 / 3
NAME = "count"


def run(bench: Bench) -> Iterator[Figure]:
    """Give events/s and CPU per event of each engine that runs here, repeat by repeat; ours first."""
    topics = Topics(bench.broker, f"bench-{uuid.uuid4().hex[:8]}.")
    engines = [engine for engine in ENGINES if bench.wants(engine.name)]
    reasons = {engine.name: engine.missing(bench.broker) for engine in engines}
    for name, reason in reasons.items():
        if reason:
            yield Figure(NAME, f"{bench.keys:,} keys", name, "events", 0.0, "events/s", void=f"skipped: {reason}")
    able = [engine for engine in engines if not reasons[engine.name]]
    sizes = {min(bench.events, engine.most or bench.events) for engine in able}
    logs = {size: asyncio.run(fill(bench.broker, topics, size, bench.keys)) for size in sorted(sizes)}
    for repeat in range(bench.repeat):
        for number, engine in enumerate(able):
            log = logs[min(bench.events, engine.most or bench.events)]
            yield from _measured(bench, topics, engine, log, f"run-{repeat}-{number}")


def _measured(bench: Bench, topics: Topics, engine: Engine, log: CountLog, run: str) -> list[Figure]:
    outputs = topics.create(f"{run}-outputs", PARTITIONS)
    command = engine.start(bench.broker, topics, log, run, bench.folder)
    about = Figure(
        NAME,
        f"{bench.keys:,} keys",
        engine.name,
        "events",
        0.0,
        "events/s",
        note=f"{log.events:,} events",
        peer=not isinstance(engine, Lane),
    )
    child = ChildProcess(
        engine.name, command, log=bench.folder / f"{run}.log", cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    try:
        samples = asyncio.run(
            watch(
                bench.broker, outputs, PARTITIONS,
                total=log.events, pids=lambda: [child.pid] if child.running else [],
            )
        )  # fmt: skip
        pace = steady(samples, log.events, WARM)
    except EngineFailedError as error:
        return [replace(about, void=f"{error}; the end of its log: {child.log_tail() or '(empty)'}")]
    finally:
        child.stop(grace=60.0)
    changelog = engine.changelog(topics, log, run)
    wrong = asyncio.run(verify(bench.broker.bootstrap, log, outputs, changelog, engine.reads))
    about = replace(about, void=f"wrong results: {wrong}" if wrong else "", load=os.getloadavg()[0])
    return [
        replace(about, value=pace.events_per_s),
        replace(about, metric="cpu", value=pace.cpu_us, unit="us/event"),
    ]
