"""What it costs to hold N leads: memory, the start on a full changelog, and the visit of silent leads by a tick.

memory   resident bytes of a worker that holds N leads, less those of one that holds a thousand, per lead: first of leads
         that are no more than their features, as they were read back; "swept": after ticks have visited each of them twice;
         "in a stage": after each was looked at, when most have entered one, with episode and plans
restart  from the start of the process to the first assessment that the broker has acknowledged
first look  CPU of that look
sweep    CPU of the visit of N leads that have been silent for days, are all due, and of which nothing is open: by ticks for as
         many as the product's clock takes at most
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import psutil

from agents.activate import Order, records
from agents.ticks import MOST, tick_record
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
SPREAD = timedelta(minutes=3)
"""Of the turns of a sweep: a worker takes times up to five minutes ahead of its own."""


def run(bench: Bench) -> Iterator[Figure]:
    """Give memory, restart, first look and sweep for each number of leads."""
    models = bench.folder / "models-hold"
    model.prepare(models, every_event=False)
    logs = [LeadLog(leads, _WAKE, 4, 320, models, now()) for leads in (FEW, *bench.leads)]
    for _ in range(bench.repeat):
        least: dict[str, int] = {}
        for log in logs:
            about = Figure(NAME, f"{log.leads:,} leads", "lead agent", "restart", 0.0, "s")
            for figures_of in (_quiet, _in_a_stage):
                try:
                    memory, figures = figures_of(bench, log)
                except EngineFailedError as error:
                    yield replace(about, void=str(error))
                    continue
                if log.leads == FEW:
                    least |= memory
                    continue
                load = round(os.getloadavg()[0], 2)
                for metric, resident in memory.items():
                    if metric not in least:
                        yield replace(about, metric=metric, void=f"nothing to compare with: {FEW:,} leads were void")
                        continue
                    note = f"{resident >> 20:,} MiB in all"
                    value = (resident - least[metric]) / (log.leads - FEW)
                    yield replace(about, metric=metric, value=value, unit="B/lead", note=note, load=load)
                for name, value, unit in figures:
                    yield replace(about, metric=name, value=value, unit=unit, load=load)


Measured = tuple[dict[str, int], list[tuple[str, float, str]]]
"""Resident bytes by the name of the figure; further figures: name, value, unit."""


@dataclass(frozen=True)
class _Holding:
    """A worker that has read N leads back."""

    bench: Bench
    log: LeadLog
    prefix: str
    workers: LeadWorkers
    restart_s: float

    def resident(self) -> int:
        """Bytes of memory now."""
        return int(psutil.Process(self.workers.pids()[0]).memory_info().rss)


@contextmanager
def _holding(bench: Bench, log: LeadLog) -> Iterator[_Holding]:
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
        yield _Holding(bench, log, prefix, workers, next(sample.at for sample in samples if sample.done) - began)


def _quiet(bench: Bench, log: LeadLog) -> Measured:
    """Leads that are looked at without anything being done about them."""
    with _holding(bench, log) as held:
        memory = {"memory": held.resident()}
        _look(held, acting=False)
        # Another version of the policy, the same in content: every lead is due again, and none changes.
        paced = _swept(held, Order(policy="1"))
        memory["memory, swept"] = held.resident()
    return memory, [("restart", held.restart_s, "s"), ("sweep, cpu", paced / log.leads * 1e6, "us/lead")]


def _in_a_stage(bench: Bench, log: LeadLog) -> Measured:
    """Leads that are looked at as in earnest: most enter a stage, and steps are planned."""
    with _holding(bench, log) as held:
        cpu = _look(held, acting=True)
        return {"memory, in a stage": held.resident()}, [("first look, cpu", cpu / log.leads * 1e6, "us/lead")]


def _look(held: _Holding, *, acting: bool) -> float:
    """CPU seconds until each lead was looked at for the first time, by ticks for as many as the product's clock ever takes.

    The leads' last events are spread evenly over the history, and so are the moments from which on they are due.
    """
    log = held.log
    ticks = max(1, log.leads // MOST)
    oldest = log.now - (HISTORY_DAYS + INBOX_DAYS) * DAY + FIRST_LOOK
    spent = 0.0
    for n in range(1, ticks + 1):
        until = datetime.fromtimestamp(oldest + HISTORY_DAYS * DAY * n / ticks, UTC) if n < ticks else None
        spent += _ticked(held, f"look-{n}", Order(acting=acting) if n == 1 else None, until)
    return spent


def _swept(held: _Holding, order: Order) -> float:
    """CPU seconds until each lead was visited once more because of an order, by ticks for as many as the clock takes at most."""
    ticks = max(1, held.log.leads // MOST)
    begin = datetime.now(UTC)
    spent = 0.0
    for n in range(1, ticks + 1):
        until = begin + SPREAD * n / ticks if n < ticks else None
        spent += _ticked(held, f"sweep-{n}", order if n == 1 else None, until, at=begin, ahead=SPREAD)
    return spent


def _ticked(
    held: _Holding,
    name: str,
    order: Order | None,
    until: datetime | None = None,
    *,
    at: datetime | None = None,
    ahead: timedelta = timedelta(0),
) -> float:
    """Activate something, if anything, send a tick behind it; CPU seconds until both are committed everywhere.

    `at`: when the order was given, if not now; `ahead`: the leads' turns are spread over so long after it, and the tick comes then.
    """
    log, prefix, workers = held.log, held.prefix, held.workers
    pids = workers.pids()
    cpu = cpu_seconds(pids)
    at, within = at or datetime.now(UTC), ahead.total_seconds() / 60
    orders = records(prefix, log.partitions, at, order, within_minutes=within) if order is not None else []
    ticks = [tick_record(prefix, n, at + ahead, f"{name}-{n}", until=until) for n in range(log.partitions)]
    if not asyncio.run(_sent(held.bench, log, prefix, [*orders, *ticks])) or not workers.pids():
        raise EngineFailedError(f"the tick was not done within {_SWEEP_S:g} s: {workers.tail()}")
    return cpu_seconds(pids) - cpu


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
