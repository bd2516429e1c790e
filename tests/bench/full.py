"""The full job: every event parsed, folded, scored by LightGBM, judged, durable, its assessment out.

The inbox is full before anybody starts; N leads are held already. Measured is the steady state between the first fifth and
the last hundredth of the events. A figure stands only if each event has exactly one assessment, and if the
probabilities on one partition are those of the product's fold over the same log.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from dataclasses import replace

import msgspec

from schemas import topics
from tests.bench import model
from tests.bench.figures import Bench, Figure
from tests.bench.lead_log import LeadLog, now
from tests.bench.lead_worker import LeadWorkers
from tests.bench.logs import records
from tests.bench.progress import EngineFailedError, steady, watch

NAME = "full"
WARM = 0.2


class Assessed(msgspec.Struct):
    """What is checked of an assessment."""

    cause: str
    probability: float


def run(bench: Bench) -> Iterator[Figure]:
    """Give events/s and CPU per event for each number of leads, partitions, event size and processes asked for."""
    models = bench.folder / "models"
    model.prepare(models, every_event=True)
    for leads, partitions, size in itertools.product(bench.leads, bench.partitions, bench.sizes):
        log = LeadLog(leads, bench.full_events, partitions, size, models, now())
        for _ in range(bench.repeat):
            for processes in bench.processes:
                yield from _ours(bench, log, processes)


def _ours(bench: Bench, log: LeadLog, processes: int) -> list[Figure]:
    prefix = asyncio.run(log.lay(bench.broker))
    topic = prefix + topics.ASSESSMENTS.name
    case = f"{log.leads:,} leads, {log.partitions} part., {log.size} B"
    about = Figure(NAME, case, f"lead agent x {processes}", "events", 0.0, "events/s", note=f"{log.events:,} events")
    with LeadWorkers(bench.broker, prefix, log.models, bench.folder, processes) as workers:
        try:
            samples = asyncio.run(
                watch(bench.broker, topic, log.partitions, total=log.events, pids=workers.pids, silence_s=180.0)
            )
            pace = steady(samples, log.events, WARM)
        except EngineFailedError as error:
            return [replace(about, void=f"{error}; the ends of the logs: {workers.tail()}")]
    wrong = asyncio.run(verify(bench.broker.bootstrap, topic, log))
    about = replace(about, void=f"wrong results: {wrong}" if wrong else "", load=round(os.getloadavg()[0], 2))
    return [
        replace(about, value=pace.events_per_s),
        replace(about, metric="cpu", value=pace.cpu_us, unit="us/event"),
    ]


async def verify(bootstrap: str, topic: str, log: LeadLog) -> str:
    """Return what is wrong with the assessments, or nothing."""
    decode = msgspec.json.Decoder(Assessed).decode
    found: dict[str, float] = {}
    count = 0
    async for _, value in records(bootstrap, topic):
        said = decode(value or b"")
        found[said.cause] = said.probability
        count += 1
    if count != log.events or len(found) != log.events:
        return f"{count:,} assessments of {len(found):,} events, where {log.events:,} came in"
    differ = sum(abs(found.get(cause, -1.0) - p) > 1e-9 for cause, p in log.truth(0).items())
    return f"{differ:,} probabilities of partition 0 are not those of the fold" if differ else ""
