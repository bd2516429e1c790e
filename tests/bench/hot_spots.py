"""Where the full job's time goes: py-spy looks at a working lead agent a hundred times a second, all threads that hold a CPU.

The table has the twelve costliest functions by their own time; `profile.txt` beside the JSON has all that matter, by own
and by whole time, in percent of the busy samples. cProfile would not do: it sees one thread, and the fold has its own.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from schemas import topics
from tests.bench import model
from tests.bench.figures import Bench, Figure
from tests.bench.lead_log import LeadLog, now
from tests.bench.lead_worker import LeadWorkers
from tests.bench.progress import EngineFailedError, watch

NAME = "profile"
RATE = 100
SECONDS = 10
EVENTS = 800_000
"""More than anybody here folds in that time."""
SHOWN = 12
_WAITING = ("EpollSelector.select ", "Condition.wait ", "_worker (concurrent/futures/thread.py")
"""Own time of these is waiting for data, for a lock or for work; py-spy takes some of it for work."""
LISTED = 60


def run(bench: Bench) -> Iterator[Figure]:
    """Give the share of own time of the costliest functions, once."""
    spy = Path(sys.executable).with_name("py-spy")
    about = Figure(NAME, "", "lead agent", "own time", 0.0, "%")
    if not spy.exists():
        yield replace(about, void="skipped: py-spy is not installed")
        return
    models = bench.folder / "models-profile"
    model.prepare(models, every_event=True)
    log = LeadLog(max(bench.leads), EVENTS, 4, 320, models, now())
    prefix = asyncio.run(log.lay(bench.broker))
    raw = bench.folder / "profile.raw"
    with LeadWorkers(bench.broker, prefix, models, bench.folder) as workers:
        watched = watch(
            bench.broker, prefix + topics.ASSESSMENTS.name, 4, total=EVENTS // 20, pids=workers.pids, at_rest=False
        )
        try:
            asyncio.run(watched)
        except EngineFailedError as error:
            yield replace(about, void=f"{error}: {workers.tail()}")
            return
        looking = ["record", "--format", "raw", "--function", "--rate", str(RATE), "--duration", str(SECONDS)]
        done = subprocess.run(
            [str(spy), *looking, "--output", str(raw), "--pid", str(workers.pids()[0])],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        yield replace(about, void=f"skipped: {done.stderr[-300:]}")
        return
    own, whole, total = _count(raw)
    _write(bench.folder / "profile.txt", own, whole, total)
    load = round(os.getloadavg()[0], 2)
    for name, samples in own.most_common(SHOWN):
        yield replace(about, subject=name, value=100 * samples / total, load=load)


def _count(raw: Path) -> tuple[Counter[str], Counter[str], int]:
    """Samples by function: of those where it ran itself, and of those where it was on the stack at all."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in raw.read_text().splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = stack.split(";")
        if frames[-1].startswith(_WAITING):
            continue
        own[frames[-1]] += int(samples)
        for frame in set(frames):
            whole[frame] += int(samples)
    return own, whole, max(own.total(), 1)


def _write(path: Path, own: Counter[str], whole: Counter[str], total: int) -> None:
    parts = [f"{total} busy samples, {RATE} a second"]
    for title, counter in (("own time", own), ("whole time", whole)):
        parts += ["", title]
        parts += [f"{100 * n / total:5.1f} %  {name}" for name, n in counter.most_common(LISTED)]
    path.write_text("\n".join(parts) + "\n")
