"""The product as a user has it: commands and workers as processes, on topics under a prefix of their own."""

import asyncio
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self
from uuid import uuid4

from aiokafka import ConsumerRecord

from agents.child import LOOPBACK, ChildProcess
from agents.reading import read_topics
from agents.topics import create
from agents.tryout.figures import Figures
from agents.writer import Out, Writer
from schemas.topics import EVENTS, Topic
from tests.brokers import Broker
from tests.polling import eventually

ROOT = Path(__file__).resolve().parents[2]
POLICY_FILE = ROOT / "deploy/policies/real_estate.toml"
AGENTS = [sys.executable, "-m", "agents"]
_PORT = re.compile(r"metrics at http://127\.0\.0\.1:(\d+)/metrics")


def environment(**settings: str) -> dict[str, str]:
    """Ours without its LEADKEEPER_ settings, with these; 80 columns and no colours, as in a pipe.

    PYTHONPATH: workers start workers without the current folder on the path; `make venv` writes a .pth file for that.
    """
    ours = {k: v for k, v in os.environ.items() if not k.startswith("LEADKEEPER_")}
    given = {f"LEADKEEPER_{name.upper()}": value for name, value in settings.items()}
    fixed = {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "COLUMNS": "80",
        "NO_COLOR": "1",
    }
    return {**ours, **fixed, **given}


class Ended(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str


def leadkeeper(*words: str, **settings: str) -> Ended:
    """Run a command to its end."""
    done = subprocess.run(
        [*AGENTS, *words],
        cwd=ROOT, env=environment(**settings), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


class Worker:
    """A long-running process of the product, asked over its metrics port."""

    def __init__(self, name: str, words: Sequence[str], log: Path, env: dict[str, str]) -> None:
        command = [*AGENTS, "worker", *words, "--processes", "0", "--metrics-port", "0"]
        self._child = ChildProcess(name, command, log=log, cwd=ROOT, env=env)
        self._log = log
        self.port = 0

    def wait_ready(self) -> Self:
        """Return when it has partitions to work on."""
        self._child.wait_ready(lambda: bool(_PORT.search(self._log.read_text())), 60)
        found = _PORT.search(self._log.read_text())
        assert found
        self.port = int(found[1])
        self._child.wait_ready(lambda: self.ask("/ready")[0] == 200, 60)
        return self

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text()

    @property
    def running(self) -> bool:
        """Whether it is still there."""
        return self._child.running

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}{path}", timeout=10) as response:
                return int(response.status), response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def figures(self) -> Figures:
        """Its metrics now."""
        return Figures([self.port])

    def wait_for(self, metric: str, value: float, **labels: str) -> None:
        """Return when a metric has reached a value; no later than the process's end."""

        def reached() -> bool:
            assert self.running, self._child.log_tail(20)
            return self.figures().sum(metric, **labels) >= value

        eventually(reached, timeout=90, what=f"{metric} {labels or ''} of {value:g}")

    def wait_folded(self, records: int) -> None:
        """Return when a lead agent has folded or dead-lettered so many records since it started."""

        def folded() -> bool:
            assert self.running, self._child.log_tail(20)
            figures = self.figures()
            done = figures.sum("leadkeeper_events_total") + figures.sum("leadkeeper_dead_letters_total")
            return done >= records

        eventually(folded, timeout=90, what=f"{records} records folded")

    def stop(self) -> int:
        """SIGTERM; returns the exit code. A second time it only returns it."""
        self._child.stop(40)
        return self._child.wait()


class Product:
    """One deployment on a shared broker and Redis.

    Args:
        broker: Where its topics are.
        redis_url: Where its views are.
        folder: For logs.
        partitions: Of every topic.
    """

    def __init__(self, broker: Broker, redis_url: str, folder: Path, partitions: int) -> None:
        self.broker, self.partitions, self._folder = broker, partitions, folder
        self.tenant = f"t{uuid4().hex[:8]}"
        self.prefix = f"acceptance-{uuid4().hex[:8]}."
        self.settings = {
            "bootstrap": broker.bootstrap,
            "redis_url": redis_url,
            "topic_prefix": self.prefix,
            "clock": "event",
            "commit_interval_s": "0.2",
        }
        self._cleanup = ExitStack()
        self._started = 0

    def __enter__(self) -> Self:
        asyncio.run(create(self.broker.bootstrap, self.prefix, self.partitions, 1, event_time=True))
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def run(self, *words: str, **settings: str) -> Ended:
        """Run a command to its end."""
        return leadkeeper(*words, **{**self.settings, **settings})

    def start(self, *words: str, **settings: str) -> Worker:
        """Start a worker; stopped at the end."""
        self._started += 1
        log = self._folder / f"{words[0]}-{self._started}.log"
        worker = Worker(words[0], words, log, environment(**{**self.settings, **settings}))
        self._cleanup.callback(worker.stop)
        return worker

    def topic(self, topic: Topic) -> str:
        """Full name."""
        return self.prefix + topic.name

    def send(self, records: Iterable[Out]) -> int:
        """Write records (topics by full name) and return when the broker has them; returns how many."""
        listed = list(records)

        async def write() -> None:
            writer = Writer(self.broker.bootstrap, idempotent=self.broker.idempotence, client_id="acceptance")
            await writer.start()
            try:
                await writer.produce(listed)
            finally:
                await writer.stop()

        asyncio.run(write())
        return len(listed)

    def records(self, topic: Topic) -> list[ConsumerRecord]:
        """Everything a topic holds."""

        async def read() -> list[ConsumerRecord]:
            return [record async for record in read_topics(self.broker.bootstrap, [self.topic(topic)])]

        return asyncio.run(read())

    def inbox(self) -> list[ConsumerRecord]:
        """Everything in `lead.events`."""
        return self.records(EVENTS)
