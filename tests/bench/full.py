"""The full job: every event parsed, folded, scored by LightGBM, judged, durable, its assessment out.

The inbox is full before anybody starts; N leads are held already. Measured is the steady state between the first fifth and
the last hundredth of the events. A figure stands only if each event has exactly one assessment, and if the
probabilities on one partition are those of the product's fold over the same log. Beside it, Quix Streams (`quix_full.py`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from agents.child import ChildProcess
from schemas import topics
from tests.bench import full_quix, model
from tests.bench.figures import Bench, Figure
from tests.bench.lead_log import LeadLog, now
from tests.bench.lead_worker import LeadWorkers
from tests.bench.logs import records
from tests.bench.progress import EngineFailedError, steady, watch
from tests.worlds import ROOT

NAME = "full"
OURS, QUIX = "lead agent", "Quix Streams"
WARM = 0.2


class Assessed(msgspec.Struct):
    """What is checked of an assessment."""

    cause: str
    probability: float


def run(bench: Bench) -> Iterator[Figure]:
    """Give events/s and CPU per event; of leads, partitions, sizes and processes, where several are asked for, one varies at a time."""
    models = bench.folder / "models"
    model.prepare(models, every_event=True)
    workers = list(one_at_a_time(bench.processes, bench.in_transactions))
    for number, (leads, partitions, size) in enumerate(one_at_a_time(bench.leads, bench.partitions, bench.sizes)):
        log = LeadLog(leads, bench.full_events, partitions, size, models, now())
        for _ in range(bench.repeat):
            for processes, at_once in workers if number == 0 else workers[:1]:
                if bench.wants(OURS):
                    yield from _ours(bench, log, processes, at_once)
            if bench.wants(QUIX):
                yield from _quix(bench, log)


def one_at_a_time(*axes: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """The first of each, and each of the others with the first of all other axes."""
    base = tuple(axis[0] for axis in axes)
    yield base
    for place, axis in enumerate(axes):
        yield from ((*base[:place], other, *base[place + 1 :]) for other in axis[1:])


def _ours(bench: Bench, log: LeadLog, processes: int, at_once: bool) -> list[Figure]:
    prefix = asyncio.run(log.lay(bench.broker))
    about = _about(log, f"{OURS} x {processes}" + ", exactly once" * at_once)
    with LeadWorkers(bench.broker, prefix, log.models, bench.folder, processes, exactly_once=at_once) as workers:
        measured = _paced(bench, log, prefix, about, workers.pids, workers.tail)
    return _checked(bench, log, prefix, measured, exact=True)


def _quix(bench: Bench, log: LeadLog) -> list[Figure]:
    about = replace(_about(log, QUIX), peer=True)
    if reason := full_quix.missing(bench.broker):
        return [replace(about, void=f"skipped: {reason}")]
    prefix = asyncio.run(log.lay(bench.broker))
    command = asyncio.run(full_quix.lay(bench.broker, log, prefix, bench.folder))
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    with ChildProcess("Quix Streams", command, log=bench.folder / f"{prefix}quix.log", cwd=ROOT, env=env) as child:
        pids = lambda: [child.pid] if child.running else []  # noqa: E731
        measured = _paced(bench, log, prefix, about, pids, child.log_tail)
    return _checked(bench, log, prefix, measured, exact=False)


def _about(log: LeadLog, who: str) -> Figure:
    case = f"{log.leads:,} leads, {log.partitions} part., {log.size} B"
    return Figure(NAME, case, who, "events", 0.0, "events/s", note=f"{log.events:,} events")


def _paced(
    bench: Bench,
    log: LeadLog,
    prefix: str,
    about: Figure,
    pids: Callable[[], Sequence[int]],
    tail: Callable[[], str],
) -> list[Figure]:
    topic = prefix + topics.ASSESSMENTS.name
    try:
        samples = asyncio.run(watch(bench.broker, topic, log.partitions, total=log.events, pids=pids, silence_s=180.0))
        pace = steady(samples, log.events, WARM)
    except EngineFailedError as error:
        return [replace(about, void=f"{error}; the end of the log: {tail()}")]
    about = replace(about, load=round(os.getloadavg()[0], 2))
    return [replace(about, value=pace.events_per_s), replace(about, metric="cpu", value=pace.cpu_us, unit="us/event")]


def _checked(bench: Bench, log: LeadLog, prefix: str, measured: list[Figure], *, exact: bool) -> list[Figure]:
    if any(figure.void for figure in measured):
        return measured
    wrong = asyncio.run(verify(bench.broker.bootstrap, prefix + topics.ASSESSMENTS.name, log, exact=exact))
    return [replace(figure, void=f"wrong results: {wrong}" if wrong else "") for figure in measured]


async def verify(bootstrap: str, topic: str, log: LeadLog, *, exact: bool) -> str:
    """Return what is wrong with the assessments, or nothing.

    Args:
        bootstrap: Where.
        topic: Of the assessments.
        log: What went in.
        exact: Every probability of partition 0 must be the fold's. Otherwise one in a hundred may differ: sums in another
            order can tip a value over a tree's threshold.
    """
    decode = msgspec.json.Decoder(Assessed).decode
    found: dict[str, float] = {}
    count = 0
    async for _, value in records(bootstrap, topic):
        said = decode(value or b"")
        found[said.cause] = said.probability
        count += 1
    if count != log.events or len(found) != log.events:
        return f"{count:,} assessments of {len(found):,} events, where {log.events:,} came in"
    truth = log.truth(0)
    differ = sum(abs(found.get(cause, -1.0) - p) > 1e-9 for cause, p in truth.items())
    if differ > (0 if exact else len(truth) // 100):
        return f"{differ:,} of {len(truth):,} probabilities of partition 0 are not those of the fold"
    return ""
