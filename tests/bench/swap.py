"""What a model costs that takes another one's place while events pour in: the latency of those that are due around it.

The same run as the latency bench at one rate, without orders in the way: half-way a new model is published and, when the
workers have had a moment to load it, ordered. Ticks come every second, so that the leads that are looked at again are in it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from agents.activate import activate
from agents.manifest import Calibration
from agents.model import TrainedModel, read, version_of
from agents.parcel import pack
from tests.bench import model
from tests.bench.figures import Bench, Figure
from tests.bench.latency import SECONDS, WARM_S
from tests.bench.lead_log import LeadLog, now
from tests.bench.lead_worker import LeadWorkers
from tests.bench.progress import EngineFailedError
from tests.bench.stream import stream

NAME = "swap"
RATE = 5_000
HEAD_START_S = 2.0
AFTER_S = 3.0
_WAKE = 16


def run(bench: Bench) -> Iterator[Figure]:
    """Give percentiles before the swap, from the publication to the order, and after it, for each number of leads."""
    models = bench.folder / "models-swap"
    version = model.prepare(models, every_event=False)
    other = _another(read(models / version))
    for leads in bench.leads:
        log = LeadLog(leads, _WAKE, 4, 320, models, now())
        for _ in range(bench.repeat):
            yield from _swapped(bench, log, other)


def _another(first: TrainedModel) -> TrainedModel:
    """The same trees that tell risks a hair lower: another version, and as much work to load and to judge by."""
    told = first.manifest.calibration
    lower = Calibration(
        method=told.method, scores=told.scores, probabilities=tuple(0.999 * p for p in told.probabilities)
    )
    changed = {"calibration": lower, "golden": None, "version": version_of(first.text, lower, first.manifest.trained)}
    return first._replace(manifest=first.manifest.model_copy(update=changed))


def _swapped(bench: Bench, log: LeadLog, other: TrainedModel) -> Iterator[Figure]:
    prefix = asyncio.run(log.lay(bench.broker))
    about = Figure(NAME, f"{RATE:,}/s, {log.leads:,} leads", "", "p99", 0.0, "ms")
    ordered: list[float] = []

    def promote() -> None:
        time.sleep(WARM_S + SECONDS / 3)
        at = datetime.now(UTC)
        version = other.manifest.version
        order = activate(
            bench.broker.bootstrap, prefix, at, announce=[pack(other, at)], model=version, head_start_s=HEAD_START_S
        )
        asyncio.run(order)
        ordered.append(time.monotonic())

    with LeadWorkers(bench.broker, prefix, log.models, bench.folder, tick_s="1") as workers:
        try:
            workers.ready()
            seen = stream(
                bench.broker, log, prefix, bench.folder, rate=RATE, seconds=SECONDS + WARM_S, meanwhile=promote
            )
        except EngineFailedError as error:
            yield replace(about, subject="event to assessment", void=str(error))
            return
    number, arrived = seen.assessed[:, 0], seen.assessed[:, 1]
    due = seen.sent.t0 + number / RATE
    late, swap = (arrived - due) * 1000, ordered[0]
    warm = seen.sent.t0 + WARM_S
    spans = {
        "before": (due >= warm) & (due < swap - HEAD_START_S - 1),
        "published, loading": (due >= swap - HEAD_START_S - 1) & (due < swap - 0.2),
        f"the {AFTER_S:g} s after the order": (due >= swap - 0.2) & (due < swap + AFTER_S),
        "later": due >= swap + AFTER_S,
    }
    load = round(os.getloadavg()[0], 2)
    for subject, here in spans.items():
        void = "" if here.any() and seen.drained else "not everything that was sent was folded"
        for name, percent in (("p50", 50), ("p99", 99), ("max", 100)):
            value = float(np.percentile(late[here], percent)) if here.any() else 0.0
            note = f"n = {int(here.sum()):,}"
            yield replace(about, subject=subject, metric=name, value=value, void=void, note=note, load=load)
