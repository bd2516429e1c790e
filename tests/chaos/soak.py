"""`make soak`: steady load for a long time; memory and latency must stay flat and nothing may be left waiting.

    python -m tests.chaos.soak [--minutes 30] [--leads 20000]

First measures how many events per second the lead agent takes on this machine, then sends 30 % of that for the given
time; ten times a second somebody orders a mail for a lead, so that the couriers have work. The outcome of a mail is awaited for a
minute and a half and not for two weeks, so that the work stays the same all the time. Latency is from the moment an
event was to be sent to the arrival of its assessment at a consumer, so a stalled
sender hides nothing. Prints a line for each sixth of the time, how memory grew, and ends with 1 if the last third is worse
than the middle third by more than the limits below, if memory grows faster than they allow, if more than two seconds of traffic
ever waited, or if something still waits a minute after the traffic has ended.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console
from rich.table import Table

from agents.topics import create
from agents.writer import Out, Writer, partition_for
from schemas import topics
from tests.bench.machine import Stolen
from tests.brokers import FORCE, Broker, BrokerChoice
from tests.faults.run import Run
from tests.faults.traffic import PARTITIONS
from tests.faults.world import World
from tests.polling import eventually_async

LOAD = 0.3
"""Share of what the lead agent can take."""
STEP_S = 0.02
PROBE_EVERY = 20
"""One event in so many is followed on its way."""
BURST = 40_000
"""Events that are sent at once to see how fast the lead agent is."""
PARTS = 6
ORDERS_PER_S = 10.0
GROWS, SLOWS, TAIL_SLOWS = 0.05, 1.5, 3.0
"""Memory may grow by this share from the middle third to the last, median and 99th percentile of the latency by these factors:
what others on the same machine do is in the tail."""
STEEP_MIB, MAIL_KIB = 12.0, 2.0
"""MiB an hour by which a worker may grow, and what a courier may remember of a mail on top of it."""
WARM_MINUTES = 5.0
"""Of shorter runs memory is not judged: workers are still warming up."""
WAITS_S = 2.0
STEADY = {"min_change = 0.02": "min_change = 0.0", "attribution_days = 14": "attribution_days = 0.001"}
"""Every event leads to an assessment. A mail waits a minute and a half for its outcome, not two weeks: while one waits, each event of
its lead is held against it, which costs several times as much, and the leads of whom one waits would grow more and more."""
SAMPLE_S = 5.0
CAUSE = b'"cause":"probe-'


@dataclass
class Watch:
    """Follows the probes.

    Attributes:
        due: When each probe that is on its way was to be sent.
        seconds: Latencies since the last look.
    """

    due: dict[bytes, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    async def run(self, bootstrap: str, topic: str) -> None:
        """Read assessments until cancelled."""
        reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=40)
        await reader.start()
        try:
            reader.assign([TopicPartition(topic, n) for n in range(PARTITIONS)])
            while True:
                fetched = await reader.getmany(timeout_ms=100)
                now = time.monotonic()
                for record in (r for batch in fetched.values() for r in batch):
                    start = record.value.find(CAUSE)
                    if start >= 0:
                        name = record.value[start + len(CAUSE) :].partition(b'"')[0]
                        if (due := self.due.pop(name, None)) is not None:
                            self.seconds.append(now - due)
        finally:
            await reader.stop()

    async def all_back(self) -> bool:
        """Whether no probe is on its way."""
        return not self.due


class Sender:
    """Makes events of now for one lead after another, and orders."""

    def __init__(self, writer: Writer, topic: str, leads: int, watch: Watch) -> None:
        self._writer, self._topic, self._leads, self._watch = writer, topic, leads, watch
        self._serial = self._orders = 0

    async def introduce(self) -> None:
        """Say of every lead where it is reached, and that it lives where it is noon: nothing has to wait for the morning."""
        now = datetime.now(UTC)
        east = 12 - now.hour
        zone = f"Etc/GMT{-east:+d}" if east else "Etc/GMT"
        bodies = (
            f'"type":"profile_updated","id":"p{n}","email":"lead{n}@example.com","timezone":"{zone}","name":"Lead {n}"'
            for n in range(self._leads)
        )
        await self._writer.produce([self._about(n, body, now) for n, body in enumerate(bodies)])

    async def order(self, count: int) -> None:
        """Order a mail for so many leads, each another one."""
        now, first = datetime.now(UTC), self._orders
        self._orders += count
        bodies = (
            f'"type":"trigger_intervention","id":"op-{n}","stage":"early_warning","by":"soak"'
            for n in range(first, self._orders)
        )
        await self._writer.produce([self._about(n % self._leads, body, now) for n, body in enumerate(bodies, first)])

    def _about(self, lead: int, fields: str, at: datetime) -> Out:
        key = f"acme:lead-{lead}".encode()
        body = f'{{"v":1,"tenant":"acme","lead":"lead-{lead}","at":"{at.isoformat()}",{fields}}}'
        return Out(self._topic, partition_for(key, PARTITIONS), key, body.encode())

    async def send(self, count: int, due: float) -> None:
        """Send events that were to be sent at `due` (monotonic seconds)."""
        at = datetime.now(UTC)
        records = []
        for _ in range(count):
            self._serial += 1
            event = f"e{self._serial}"
            if self._serial % PROBE_EVERY == 0:
                event = f"probe-{self._serial}"
                self._watch.due[str(self._serial).encode()] = due
            body = f'"type":"item_viewed","id":"{event}","item":"l-{count}"'
            records.append(self._about(self._serial * 7919 % self._leads, body, at))
        await self._writer.produce(records)


@dataclass(frozen=True)
class Part:
    """A sixth of the time: what was seen in it."""

    rate: float
    p50_ms: float
    p99_ms: float
    waiting: int
    """Events on their way, at worst."""
    taken: float
    """Percent of the processors that other machines took meanwhile: it is in every latency."""
    rss_mib: dict[str, float]
    samples: list[tuple[float, dict[str, float]]]
    """Memory every few seconds: monotonic time, MiB by worker."""


async def soak(broker: Broker, folder: Path, minutes: float, leads: int, console: Console) -> tuple[list[Part], bool]:
    """Send and watch; returns the parts, and whether everything came back in the end."""
    prefix = f"soak-{folder.name}."
    await create(broker.bootstrap, prefix, PARTITIONS, 1, event_time=False)
    run = Run(lead_agents=1, settings={"LEADKEEPER_CLOCK": "wall"}, policy_edits=STEADY)
    writer = Writer(broker.bootstrap, idempotent=broker.idempotence)
    await writer.start()
    watch = Watch()
    sender = Sender(writer, prefix + topics.EVENTS.name, leads, watch)
    watching = asyncio.create_task(watch.run(broker.bootstrap, prefix + topics.ASSESSMENTS.name))
    try:
        with World(folder, broker, prefix, run) as world:
            await sender.introduce()
            rate = await _capacity(sender, watch, leads) * LOAD
            console.print(f"{rate / LOAD:,.0f} events/s at full speed; from here on {rate:,.0f} events/s")
            parts = []
            for number in range(PARTS):
                parts.append(await _part(sender, watch, world, rate, minutes * 60 / PARTS))
                console.print(f"part {number + 1} of {PARTS}:", *cells(parts[-1]))
            ended = True
            try:
                await eventually_async(watch.all_back, timeout=60)
            except AssertionError:
                ended = False
            console.print(f"{sum(world.mails().values()):,} mails were sent")
            return parts, ended and not any(world.exits.values()) and bool(world.mails())
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        await writer.stop()


async def _capacity(sender: Sender, watch: Watch, leads: int) -> float:
    """Events per second of a burst, once the agent has seen every lead."""
    await sender.send(max(leads, PROBE_EVERY), time.monotonic())
    await eventually_async(watch.all_back, timeout=120, what="the first assessments")
    for _ in range(BURST // 2_000):
        await sender.send(2_000, time.monotonic())
    began = time.monotonic()
    waiting = len(watch.due)
    await eventually_async(watch.all_back, timeout=120, what="the burst")
    watch.seconds.clear()
    return max(waiting, 1) * PROBE_EVERY / (time.monotonic() - began)


async def _part(sender: Sender, watch: Watch, world: World, rate: float, seconds: float) -> Part:
    began, stolen = time.monotonic(), Stolen()
    sent = orders = waiting = 0
    samples: list[tuple[float, dict[str, float]]] = []
    while (passed := time.monotonic() - began) < seconds:
        due = began + sent / rate
        if (number := int(passed * rate) - sent) > 0:
            await sender.send(number, due)
            sent += number
        if (number := int(passed * ORDERS_PER_S) - orders) > 0:
            await sender.order(number)
            orders += number
        if passed >= len(samples) * SAMPLE_S:
            samples.append((time.monotonic(), _rss(world)))
            waiting = max(waiting, len(watch.due) * PROBE_EVERY)
        world.replace_dead()
        await asyncio.sleep(STEP_S)  # the pace of the traffic
    measured, watch.seconds = watch.seconds, []
    p99 = quantiles(measured, n=100)[98] if len(measured) > 1 else 0.0
    return Part(
        sent / seconds,
        median(measured or [0.0]) * 1000,
        p99 * 1000,
        waiting,
        stolen.percent(),
        _rss(world),
        samples,
    )


def _rss(world: World) -> dict[str, float]:
    return {name: psutil.Process(pid).memory_info().rss / (1 << 20) for name, pid in world.pids().items()}


def growth(parts: list[Part]) -> dict[str, float]:
    """MiB an hour by worker: the straight line through the samples of the last two thirds."""
    samples = [sample for part in parts[PARTS // 3 :] for sample in part.samples]
    hours = np.array([at for at, _ in samples]) / 3600
    return {name: float(np.polyfit(hours, [rss[name] for _, rss in samples], 1)[0]) for name in sorted(samples[0][1])}


def cells(part: Part) -> list[str]:
    """The figures of a part, as the table shows them."""
    figures = [
        f"{part.rate:,.0f}/s",
        f"{part.p50_ms:.1f} ms",
        f"{part.p99_ms:.1f} ms",
        f"{part.waiting:,}",
        f"{part.taken:.0f} %",
    ]
    return [*figures, *(f"{part.rss_mib[name]:.0f} MiB" for name in sorted(part.rss_mib))]


def verdicts(parts: list[Part], *, ended: bool, minutes: float) -> list[str]:
    """What is not flat."""
    middle, last = parts[PARTS // 3 : 2 * PARTS // 3], parts[2 * PARTS // 3 :]
    wrong = [] if ended else ["records still wait, or a worker ended"]
    slopes = growth(parts) if minutes >= WARM_MINUTES else {}
    for name, slope in slopes.items():
        before, after = (median(p.rss_mib[name] for p in third) for third in (middle, last))
        if after > before * (1 + GROWS):
            wrong.append(f"{name} grew from {before:.0f} to {after:.0f} MiB")
        mails = ORDERS_PER_S * 3600 if name == "email" else 0.0
        if slope > (limit := STEEP_MIB + mails * MAIL_KIB / 1024):
            wrong.append(f"{name} grows by {slope:.0f} MiB an hour (limit {limit:.0f})")
    before, after = (median(p.p50_ms for p in third) for third in (middle, last))
    if after > before * SLOWS:
        wrong.append(f"latency rose from {before:.1f} to {after:.1f} ms")
    before, after = (median(p.p99_ms for p in third) for third in (middle, last))
    if after > before * TAIL_SLOWS:
        wrong.append(f"the 99th percentile of latency rose from {before:.1f} to {after:.1f} ms")
    if (most := max(parts, key=lambda p: p.waiting)).waiting > WAITS_S * most.rate:
        wrong.append(f"{most.waiting:,} events waited at {most.rate:,.0f}/s")
    return wrong


def main() -> int:
    """Soak; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--leads", type=int, default=20_000)
    given = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # told anyway: clients that wait for fresh topics
    console = Console()
    with ExitStack() as cleanup:
        broker = BrokerChoice(os.environ.get(FORCE, "")).start(cleanup)
        console.print(f"broker: {broker.kind} at {broker.bootstrap}")
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="leadkeeper-soak-")))
        parts, ended = asyncio.run(soak(broker, folder, given.minutes, given.leads, console))
    table = Table("part", "events", "p50", "p99", "waiting", "taken", *sorted(parts[0].rss_mib))
    for number, part in enumerate(parts, 1):
        table.add_row(str(number), *cells(part))
    console.print(table)
    for name, mib in growth(parts).items():
        console.print(f"{name}: {mib:+.1f} MiB an hour, {mib / parts[-1].rss_mib[name]:+.1%}")
    wrong = verdicts(parts, ended=ended, minutes=given.minutes)
    if given.minutes < WARM_MINUTES:
        console.print(f"memory is not judged in less than {WARM_MINUTES:g} minutes")
    console.print("; ".join(wrong) or "flat")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
