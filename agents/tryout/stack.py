"""Everything the try-out starts: broker, Redis, mailbox, lead agent, couriers, report agent. It leaves nothing running."""

import json
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from agents.child import ChildProcess, free_port
from agents.embedded import EmbeddedStack
from agents.settings import ROOT
from agents.tryout.figures import answers
from schemas.errors import Unavailable

COURIERS = ("email", "in_app", "agent_alert")
READY_S = 60.0


class Stack:
    """The processes of one try-out.

    Args:
        folder: For logs and mails.
        policy: Policy file in force.
        models: Folder of models.
        model: Version in force from the start; empty: the rule scorer.
        bootstrap: A broker that is there already; None: the embedded one.

    Attributes:
        bootstrap: `host:port` of the broker.
        redis_url: Of Redis.
        prefix: Before every topic and group; empty on a broker of our own.
        mails: Folder of delivered mails.
        smtp_port: Of the mailbox.
        ports: Metrics port by worker (`lead`, `report`, `email`, ...).
    """

    def __init__(self, folder: Path, policy: Path, models: Path, model: str, bootstrap: str | None = None) -> None:
        """Nothing starts yet."""
        self._folder, self._policy, self._models, self._model = folder, policy, models, model
        self._given = bootstrap
        self.prefix = ""
        self._exit = ExitStack()
        self._children: dict[str, ChildProcess] = {}
        self.mails = folder / "mail"
        self.ports: dict[str, int] = {}
        self.bootstrap = self.redis_url = ""
        self.smtp_port = 0

    def __enter__(self) -> Self:
        """Start broker, Redis and mailbox; workers follow with `start_workers`."""
        try:
            servers = self._exit.enter_context(EmbeddedStack(kafka=self._given is None))
            self.bootstrap, self.redis_url = self._given or servers.bootstrap, servers.redis_url
            if "broker" not in servers.pids:
                self.prefix = f"{self._folder.name}."  # somebody's broker: topics and groups of this run alone
            self.mails.mkdir(parents=True, exist_ok=True)
            log = self._folder / "mailbox.log"
            mailbox = self._start(
                "mailbox", [sys.executable, "-P", "-m", "deploy.providers.mailbox", str(self.mails)], {}
            )
            mailbox.wait_ready(lambda: log.exists() and '"port"' in log.read_text(), READY_S)
            self.smtp_port = int(json.loads(log.read_text().splitlines()[0])["port"])
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all, workers first."""
        self._exit.close()

    def environment(self) -> dict[str, str]:
        """Settings with which any command reaches this stack."""
        return {
            "LEADKEEPER_BOOTSTRAP": self.bootstrap,
            "LEADKEEPER_REDIS_URL": self.redis_url,
            "LEADKEEPER_TOPIC_PREFIX": self.prefix,
            "LEADKEEPER_CLOCK": "event",
            "LEADKEEPER_POLICY": str(self._policy),
            "LEADKEEPER_MODELS": str(self._models),
            "LEADKEEPER_MODEL": self._model,
            "LEADKEEPER_SMTP_PORT": str(self.smtp_port),
            "LEADKEEPER_SMTP_FINAL": "true",
            "LEADKEEPER_COMMIT_INTERVAL_S": "0.5",
            "LEADKEEPER_NOTES": str(self._folder / "notes"),
            "LEADKEEPER_LOG_LEVEL": "warning",
        }

    def start_workers(self) -> None:
        """Start the agents and wait until they have their partitions. Raises Unavailable with the end of a log."""
        commands = {
            "lead": ["lead"],
            "report": ["report"],
            **{name: ["couriers", "--channel", name] for name in COURIERS},
        }
        for name, words in commands.items():
            self.ports[name] = free_port()
            command = [sys.executable, "-P", "-m", "agents", "worker", *words, "--processes", "0"]
            self._start(name, [*command, "--metrics-port", str(self.ports[name])], self.environment())
        deadline = time.monotonic() + READY_S
        waiting = set(commands)
        while waiting:
            for name in sorted(waiting):
                child = self._children[name]
                if answers(self.ports[name], "/ready"):
                    waiting.discard(name)
                elif not child.running or time.monotonic() > deadline:
                    raise Unavailable(f"the {name} worker did not come up; the end of {child.log}:\n{child.log_tail()}")
            time.sleep(0.1)

    def check(self) -> None:
        """Raise Unavailable when a process has ended."""
        for name, child in self._children.items():
            if not child.running:
                raise Unavailable(f"the {name} process ended; the end of {child.log}:\n{child.log_tail()}")

    def _start(self, name: str, command: list[str], settings: dict[str, str]) -> ChildProcess:
        # Settings of a deployment of yours do not belong here.
        ours = {k: v for k, v in os.environ.items() if not k.startswith("LEADKEEPER_")}
        env = {**ours, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", **settings}
        child = ChildProcess(name, command, log=self._folder / f"{name}.log", cwd=ROOT, env=env)
        self._exit.callback(child.stop)
        self._children[name] = child
        return child
