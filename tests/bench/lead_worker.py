"""Starts the product's lead agents on a laid-out log, as processes whose CPU and memory can be read."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from agents.child import ChildProcess, free_port
from agents.tryout.figures import answers
from tests.bench.lead_log import EPOCH
from tests.bench.model import POLICY_NAME
from tests.bench.progress import EngineFailedError
from tests.brokers import Broker
from tests.polling import eventually
from tests.worlds import ROOT

NEVER_S = "86400"


class LeadWorkers:
    """Some `leadkeeper worker lead` processes, in one group, for as long as the `with` block lasts.

    Args:
        broker: Where.
        prefix: Of the topics.
        models: Folder of model and policy.
        folder: For their logs.
        processes: How many.
        tick_s: Seconds between ticks; by default none comes during a bench.
        exactly_once: Whether they write in transactions.
    """

    def __init__(
        self,
        broker: Broker,
        prefix: str,
        models: Path,
        folder: Path,
        processes: int = 1,
        *,
        tick_s: str = NEVER_S,
        exactly_once: bool = False,
    ) -> None:
        """Nothing starts yet."""
        version = next(path.parent.name for path in models.glob("*/manifest.json"))
        ours = {name: value for name, value in os.environ.items() if not name.startswith("LEADKEEPER_")}
        self._env = {
            **ours,
            "LEADKEEPER_EXACTLY_ONCE": str(exactly_once).lower(),
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
            "LEADKEEPER_BOOTSTRAP": broker.bootstrap,
            "LEADKEEPER_TOPIC_PREFIX": prefix,
            "LEADKEEPER_POLICY": str(models / POLICY_NAME),
            "LEADKEEPER_MODELS": str(models),
            "LEADKEEPER_MODEL": version,
            "LEADKEEPER_EPOCH": str(EPOCH),
            "LEADKEEPER_TICK_S": tick_s,
            "LEADKEEPER_LOG_LEVEL": "warning",
            "LEADKEEPER_NOTES": str(folder / "notes"),
        }
        self._folder, self._prefix, self._count = folder, prefix, processes
        self._exit = ExitStack()
        self.children: list[ChildProcess] = []
        self.ports: list[int] = []

    def __enter__(self) -> Self:
        for _ in range(self._count):
            self.add()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def add(self) -> ChildProcess:
        """Start one more."""
        number = len(self.children)
        self.ports.append(free_port())
        command = [sys.executable, "-m", "agents", "worker", "lead", "--processes", "0"]
        log = self._folder / f"{self._prefix}worker-{number}.log"
        child = ChildProcess(
            "lead worker",
            [*command, "--metrics-port", str(self.ports[-1])],
            log=log,
            cwd=ROOT,
            env=self._env,
        )
        self._exit.callback(child.stop, 60.0)
        self.children.append(child)
        return child

    def pids(self) -> list[int]:
        """Return those that run; none when any has ended, as then the figure is void."""
        return [child.pid for child in self.children] if all(child.running for child in self.children) else []

    def ready(self, timeout_s: float = 180.0) -> None:
        """Wait until all have their partitions, and their state with them.

        Raises:
            EngineFailedError: One ended; the end of its log.
        """
        eventually(lambda: not self.pids() or all(answers(port, "/ready") for port in self.ports), timeout_s, "/ready")
        if not self.pids():
            raise EngineFailedError(f"a worker ended: {self.tail()}")

    def tail(self) -> str:
        """Return the ends of their logs."""
        return " | ".join(child.log_tail() or "(empty)" for child in self.children)
