"""From the moment an event is due until its assessment, and an order's command, is in a reader's hands.

Sender, reader and worker are processes of their own; the sender keeps its schedule whatever happens (`sender.py`). The policy
is the default one, so an assessment goes out when it has changed enough to matter; a command follows from fifty
orders a second. No tick comes: the sweep of silent leads is measured by itself.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tests.bench import model
from tests.bench.figures import Bench, Figure
from tests.bench.lead_log import LeadLog, now
from tests.bench.lead_worker import LeadWorkers
from tests.bench.machine import Stolen
from tests.bench.progress import EngineFailedError
from tests.bench.sender import ORDERS_PER_S, order_every
from tests.bench.stream import Streamed, stream

NAME = "latency"
WARM_S = 15.0
"""As long as a new broker's compiler takes most of a core for itself."""
COMMAND = "event to command"
LEAST_COMMANDED = 0.9
"""Of the orders; the holdout, a twentieth, gets none."""
PERCENTILES = (("p50", 50, 1), ("p95", 95, 100), ("p99", 99, 1_000), ("p99.9", 99.9, 10_000), ("max", 100, 1))
"""And of how many at least, or it is left out: ten lie beyond. The last but one takes four minutes at each rate (`--seconds 240`)."""
_WAKE = 16
"""Events in the inbox at the start: the worker is ready, and has its state, when it has folded them."""


def run(bench: Bench) -> Iterator[Figure]:
    """Give p50 to max of both ways at each rate and number of leads."""
    models = bench.folder / "models-latency"
    model.prepare(models, every_event=False)
    for leads in bench.leads:
        log = LeadLog(leads, _WAKE, 4, 320, models, now())
        for _ in range(bench.repeat):
            for rate, at_once in itertools.product(bench.rates, bench.in_transactions):
                yield from _at(bench, log, rate, at_once)


def _at(bench: Bench, log: LeadLog, rate: int, at_once: bool) -> Iterator[Figure]:
    prefix = asyncio.run(log.lay(bench.broker))
    case = f"{rate:,}/s, {log.leads:,} leads" + ", exactly once" * at_once
    about = Figure(NAME, case, "", "p50", 0.0, "ms")
    with LeadWorkers(bench.broker, prefix, log.models, bench.folder, exactly_once=at_once) as workers:
        try:
            workers.ready()
            stolen = Stolen()
            seen = stream(bench.broker, log, prefix, bench.folder, rate=rate, seconds=bench.seconds)
        except EngineFailedError as error:
            yield replace(about, subject="event to assessment", void=str(error))
            return
    load, taken = round(os.getloadavg()[0], 2), stolen.percent()
    for way, late in _ways(seen, rate, log.leads).items():
        note = (
            f"n = {len(late):,}; the sender was late by {seen.sent.late_ms:.0f} ms at most; "
            f"other machines took {taken:.1f} % of the processors"
        )
        wrong = "" if seen.drained else "not everything that was sent was folded"
        if way == COMMAND and len(late) < (most := ORDERS_PER_S * (bench.seconds - WARM_S)) * LEAST_COMMANDED:
            wrong = wrong or f"{len(late):,} of {most:,.0f} orders led to a command"
        for name, percent, least in PERCENTILES:
            if wrong or len(late) >= least:
                value = float(np.percentile(late, percent)) if len(late) else 0.0
                yield replace(about, subject=way, metric=name, value=value, void=wrong, note=note, load=load)


def _ways(seen: Streamed, rate: int, leads: int) -> dict[str, NDArray[np.float64]]:
    """Milliseconds from due to arrived, of the events after the warm-up."""
    first = int(WARM_S * rate)
    number, arrived = seen.assessed[:, 0], seen.assessed[:, 1]
    orders = (leads - 1 - seen.commanded[:, 0]) * order_every(rate)
    return {
        "event to assessment": _late(number[number >= first], arrived[number >= first], seen.sent.t0, rate),
        COMMAND: _late(orders[orders >= first], seen.commanded[orders >= first, 1], seen.sent.t0, rate),
    }


def _late(number: NDArray[np.float64], arrived: NDArray[np.float64], t0: float, rate: int) -> NDArray[np.float64]:
    return np.asarray((arrived - (t0 + number / rate)) * 1000)
