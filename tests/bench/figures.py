"""One measured number, and what a bench needs to know to measure it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from tests.brokers import Broker


@dataclass(frozen=True)
class Figure:
    """A number that was measured once; a repeat gives another one with the same name.

    Attributes:
        bench: Which bench, e.g. ``count``.
        case: What was varied, e.g. ``4 partitions``; empty where nothing is.
        subject: Who was measured, e.g. ``lane`` or ``Kafka Streams``.
        metric: What was measured, unit included in ``unit``.
        value: The number.
        unit: e.g. ``events/s``.
        void: Why the figure says nothing (wrong results, an engine that ended); empty when it stands.
        note: What a reader has to know, e.g. the number of events.
        peer: Whether this is somebody else's figure, to be compared with ours of the same repeat.
        load: Load average of the machine over the last minute, as it was right after the measurement.
    """

    bench: str
    case: str
    subject: str
    metric: str
    value: float
    unit: str
    void: str = ""
    note: str = ""
    peer: bool = False
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 2))


@dataclass(frozen=True)
class Bench:
    """What a run was asked for.

    Attributes:
        broker: Where it runs.
        folder: For logs, state directories and profiles of this run.
        repeat: How often each figure is taken.
        events: Events of the count job.
        keys: Of the count job.
        full_events: Events of the full job.
        leads: Leads held; several give a figure each.
        partitions: Partitions of the inbox; several give a figure each.
        sizes: Bytes of an event of the full job; several give a figure each.
        processes: Worker processes; several give a figure each.
        rates: Events per second of the latency bench.
        seconds: How long the latency bench sends at each rate.
        in_transactions: Whether lead agents write in transactions; both ways give a figure each.
        only: Names of engines to run; empty = all.
    """

    broker: Broker
    folder: Path
    repeat: int = 3
    events: int = 3_000_000
    keys: int = 1_000
    full_events: int = 300_000
    leads: tuple[int, ...] = (1_000_000,)
    partitions: tuple[int, ...] = (4,)
    sizes: tuple[int, ...] = (320,)
    processes: tuple[int, ...] = (1,)
    rates: tuple[int, ...] = (1_000, 5_000, 20_000)
    seconds: float = 40.0
    in_transactions: tuple[bool, ...] = (False,)
    only: tuple[str, ...] = ()

    def wants(self, engine: str) -> bool:
        """Whether this engine was asked for."""
        return not self.only or engine in self.only
