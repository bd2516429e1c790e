"""What it costs to hold N leads: memory, the start on a full changelog, and the visit of silent leads by a tick.

memory   resident bytes of a worker that holds N leads, less those of one that holds a thousand, per lead; first of leads
         that are no more than their features, then with each of them in a stage, with episode and plans
restart  from the start of the process to the first assessment that the broker has acknowledged
sweep    wall and CPU of one tick over N leads that have been silent for days and are all due
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import psutil

from agents.activate import NOTHING, Order, records
from agents.ticks import LOOKS, tick_record
from agents.writer import Out, Writer, partition_for
from schemas import topics
from streams.silence import FIRST_LOOK
from tests.bench import model
from tests.bench.figures import Bench, Figure
from tests.bench.lead_log import DAY, HISTORY_DAYS, INBOX_DAYS, LeadLog, now
from tests.bench.lead_traffic import records as events
from tests.bench.lead_worker import LeadWorkers
from tests.bench.progress import EngineFailedError, cpu_seconds, settled, watch

NAME = "hold"
FEW = 1_000
_WAKE = 16
_SWEEP_S = 600.0


def run(bench: Bench) -> Iterator[Figure]:
    """Give memory, restart and sweep for each number of leads."""
    models = bench.folder / "models-hold"
    model.prepare(models, every_event=False)
    logs = [LeadLog(leads, _WAKE, 4, 320, models, now()) for leads in (FEW, *bench.leads)]
    for _ in range(bench.repeat):
        few = (0, 0)
        for log in logs:
            about = Figure(NAME, f"{log.leads:,} leads", "lead agent", "restart", 0.0, "s")
            try:
                resident, figures = _held(bench, log, about)
            except EngineFailedError as error:
                yield replace(about, void=str(error))
                continue
            if log.leads == FEW:
                few = resident
                continue
            for metric, own, least in zip(("memory", "memory, in a stage"), resident, few, strict=True):
                value = (own - least) / (log.leads - FEW)
                yield replace(about, metric=metric, value=value, unit="B/lead", note=f"{own >> 20:,} MiB in all")
            yield from figures


def _held(bench: Bench, log: LeadLog, about: Figure) -> tuple[tuple[int, int], list[Figure]]:
    """Resident bytes before and after all leads were looked at, and the figures of restart and sweep."""
    prefix = asyncio.run(log.lay(bench.broker))
    asyncio.run(_send(bench, _newcomers(log, prefix)))
    began = time.monotonic()
    with LeadWorkers(bench.broker, prefix, log.models, bench.folder) as workers:
        samples = asyncio.run(
            watch(
                bench.broker, prefix + topics.ASSESSMENTS.name, log.partitions,
                total=1, pids=workers.pids, silence_s=300.0,
            )
        )  # fmt: skip
        restart_s = next(sample.at for sample in samples if sample.done) - began
        pid = workers.pids()[0]
        resident = psutil.Process(pid).memory_info().rss
        look = _looked(bench, log, prefix, workers)
        looked = psutil.Process(pid).memory_info().rss
        # Another version of the policy, the same in content: every lead is due again, and none changes.
        wall, sweep = _ticked(bench, log, prefix, workers, "sweep", policy="1")
    about = replace(about, load=round(os.getloadavg()[0], 2))
    return (resident, looked), [
        replace(about, value=restart_s),
        replace(about, metric="first look, cpu", value=look / log.leads * 1e6, unit="us/lead"),
        replace(about, metric="sweep, wall", value=wall),
        replace(about, metric="sweep, cpu", value=sweep / log.leads * 1e6, unit="us/lead"),
    ]


def _looked(bench: Bench, log: LeadLog, prefix: str, workers: LeadWorkers) -> float:
    """CPU seconds until each lead was looked at for the first time, by ticks as the product's clock would send them.

    The leads' last events are spread evenly over the history, and so are the moments from which on they are due.
    """
    ticks = max(1, log.leads // (log.partitions * LOOKS))
    oldest = log.now - (HISTORY_DAYS + INBOX_DAYS) * DAY + FIRST_LOOK
    cpu = cpu_seconds(workers.pids())
    for n in range(1, ticks + 1):
        until = datetime.fromtimestamp(oldest + HISTORY_DAYS * DAY * n / ticks, UTC) if n < ticks else None
        _ticked(bench, log, prefix, workers, f"look-{n}", until=until, acting=False if n == 1 else None)
    return cpu_seconds(workers.pids()) - cpu


def _ticked(
    bench: Bench,
    log: LeadLog,
    prefix: str,
    workers: LeadWorkers,
    name: str,
    *,
    until: datetime | None = None,
    policy: str | None = None,
    acting: bool | None = None,
) -> tuple[float, float]:
    """Activate something, if anything, send a tick behind it; wall and CPU seconds until both are committed everywhere."""
    pids = workers.pids()
    cpu, began = cpu_seconds(pids), time.monotonic()
    at = datetime.now(UTC)
    order = Order(policy=policy, acting=acting)
    orders = records(prefix, log.partitions, at, order, within_minutes=0) if order != NOTHING else []
    ticks = [tick_record(prefix, n, at, f"{name}-{n}", until=until) for n in range(log.partitions)]
    if not asyncio.run(_sent(bench, log, prefix, [*orders, *ticks])) or not workers.pids():
        raise EngineFailedError(f"the tick was not done within {_SWEEP_S:g} s: {workers.tail()}")
    return time.monotonic() - began, cpu_seconds(pids) - cpu


async def _sent(bench: Bench, log: LeadLog, prefix: str, orders: list[Out]) -> bool:
    """Send them, and wait until they are committed."""
    await _send(bench, orders)
    inbox = prefix + topics.EVENTS.name
    return await settled(bench.broker, f"{prefix}lead-agent", inbox, log.partitions, deadline_s=_SWEEP_S)


async def _send(bench: Bench, records: list[Out]) -> None:
    writer = Writer(bench.broker.bootstrap, idempotent=bench.broker.idempotence)
    await writer.start()
    await writer.produce(records)
    await writer.stop()


def _newcomers(log: LeadLog, prefix: str) -> list[Out]:
    """Events of leads that are not held: a first assessment is published whatever it says, and shows that all is read."""
    who = np.arange(log.leads, log.leads + _WAKE)
    made = events(who, log.now - 1.0, log.now, size=log.size, serial=1 << 40)
    topic = prefix + topics.EVENTS.name
    return [Out(topic, partition_for(event.key, log.partitions), event.key, event.value) for event in made]
