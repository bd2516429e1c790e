"""What a model costs that takes another one's place while events pour in: the latency of those that are due around it.

Sender, reader and worker as in the latency bench, at its rates up to 5,000/s; but every event is assessed, so that each
moment has its sample and a lost event is seen. Half-way a new model is published and, when the workers have had a moment to
load it, ordered. No tick comes: by them leads are looked at again, spread over half an hour.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from zlib import crc32

import numpy as np

from agents.activate import Order, activate
from agents.manifest import Calibration
from agents.model import TrainedModel, read, sealed
from agents.parcel import pack
from tests.bench import model
from tests.bench.figures import Bench, Figure
from tests.bench.latency import WARM_S
from tests.bench.lead_log import LeadLog, now
from tests.bench.lead_worker import LeadWorkers
from tests.bench.machine import Stolen
from tests.bench.progress import EngineFailedError
from tests.bench.sender import order_every
from tests.bench.stream import Streamed, stream

NAME = "swap"
SECONDS = 40.0
MOST_RATE = 5_000
HEAD_START_S = 2.0
AFTER_S = 3.0
LEAST = 1_000
"""Events of a span under which its p99 rests on fewer than ten of them and says nothing."""
_WAKE = 16


def run(bench: Bench) -> Iterator[Figure]:
    """Give percentiles before the swap, from the publication to the order, and after it, for each number of leads."""
    models = bench.folder / "models-swap"
    version = model.prepare(models, every_event=True)
    first = read(models / version)
    for leads in bench.leads:
        log = LeadLog(leads, _WAKE, 4, 320, models, now())
        for _ in range(bench.repeat):
            for rate in bench.rates:
                if rate <= MOST_RATE:
                    yield from _swapped(bench, log, _another(first), rate)


def _another(first: TrainedModel) -> TrainedModel:
    """The same trees that tell risks a hair lower: another version, and as much work to load and to judge by."""
    told = first.manifest.calibration
    lower = Calibration(
        method=told.method, scores=told.scores, probabilities=tuple(0.999 * p for p in told.probabilities)
    )
    return sealed(first._replace(manifest=first.manifest.model_copy(update={"calibration": lower, "golden": None})))


def _swapped(bench: Bench, log: LeadLog, other: TrainedModel, rate: int) -> Iterator[Figure]:
    prefix = asyncio.run(log.lay(bench.broker))
    about = Figure(NAME, f"{rate:,}/s, {log.leads:,} leads", "event to assessment", "p99", 0.0, "ms")
    ordered: list[float] = []

    def promote() -> None:
        time.sleep(WARM_S + SECONDS / 3)
        at = datetime.now(UTC)
        version = other.manifest.version
        order = activate(
            bench.broker.bootstrap, prefix, at, Order(model=version), announce=[pack(other, at)],
            head_start_s=HEAD_START_S,
        )  # fmt: skip
        asyncio.run(order)
        ordered.append(time.monotonic())

    with LeadWorkers(bench.broker, prefix, log.models, bench.folder) as workers:
        try:
            workers.ready()
            stolen = Stolen()
            seen = stream(
                bench.broker, log, prefix, bench.folder, rate=rate, seconds=SECONDS + WARM_S, meanwhile=promote
            )
        except EngineFailedError as error:
            yield replace(about, void=str(error))
            return
    if void := _wrong(seen, other.manifest.version, rate):
        yield replace(about, void=void)
        return
    yield from _spans(about, seen, rate, ordered[0], stolen.percent())


def _wrong(seen: Streamed, version: str, rate: int) -> str:
    """Why nothing can be said; empty: every event was assessed, and the new model took over."""
    if not seen.drained or not len(seen.assessed):
        return "not everything that was sent was folded"
    wanted = {number for number in range(int(rate * (SECONDS + WARM_S))) if number % order_every(rate)}
    if lost := len(wanted.difference(seen.assessed[:, 0].astype(int).tolist())):
        return f"{lost:,} of {len(wanted):,} events were never assessed"
    if not (seen.assessed[:, 3] == crc32(version.encode())).any():
        return "the new model never judged"
    return ""


def _spans(about: Figure, seen: Streamed, rate: int, swap: float, taken: float) -> Iterator[Figure]:
    number, arrived = seen.assessed[:, 0], seen.assessed[:, 1]
    due = seen.sent.t0 + number / rate
    late, warm = (arrived - due) * 1000, seen.sent.t0 + WARM_S
    spans = {
        "before": (due >= warm) & (due < swap - HEAD_START_S - 1),
        "published, loading": (due >= swap - HEAD_START_S - 1) & (due < swap - 0.2),
        f"the {AFTER_S:g} s after the order": (due >= swap - 0.2) & (due < swap + AFTER_S),
        "later": due >= swap + AFTER_S,
    }
    about = replace(about, load=round(os.getloadavg()[0], 2))
    sender = f"the sender was late by {seen.sent.late_ms:.0f} ms at most; other machines took {taken:.1f} % of the processors"
    tails: dict[str, float] = {}
    for subject, here in spans.items():
        n = int(here.sum())
        void = "" if n >= LEAST else f"{n:,} events are too few for a p99"
        for name, percent in (("p50", 50), ("p99", 99), ("max", 100)):
            value = float(np.percentile(late[here], percent)) if n else 0.0
            yield replace(about, subject=subject, metric=name, value=value, void=void, note=f"n = {n:,}; {sender}")
            if name == "p99":
                tails[subject] = value
    usual = max(tails["before"], tails["later"])
    added = max(0.0, max(tails.values()) - usual)
    note = "by how much the p99 of the swap is above that of before and of later, whichever is higher"
    yield replace(about, subject="what the swap adds", value=added, note=note)
