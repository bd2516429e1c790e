"""Which real broker the tests run on: the first that this machine can offer, and why the others were passed over.

Order: ``KAFKA_BOOTSTRAP`` (``env``), Apache Kafka in Docker (``docker``), Apache Kafka from Maven Central's jars
(``jars``), the embedded broker (``embedded``). ``LEADKEEPER_TEST_BROKER=<name>`` forces one.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code

from agents.child import LOOPBACK, free_port
from agents.embedded import EmbeddedStack, kafka_answers
from deploy.kafka.run import ApacheKafka, kafka_version, node_settings
from tests.polling import eventually, eventually_async

FORCE = "LEADKEEPER_TEST_BROKER"


@dataclass(frozen=True)
class Broker:
    """A running broker and what its clients have to know about it.

    Attributes:
        kind: ``env``, ``docker``, ``jars`` or ``embedded``.
        bootstrap: ``host:port``.
        idempotence: Whether producers may switch idempotence on.
        session_timeout: Shortest sensible session timeout of a group member, in seconds. Apache Kafka refuses less
            than 6; on the embedded broker JoinGroup takes half of it, so it is kept short there.
        fetch_max_wait_ms: How long a fetch may wait for data. The embedded broker always waits this long.
    """

    kind: str
    bootstrap: str
    idempotence: bool = True
    session_timeout: float = 6.0
    fetch_max_wait_ms: int = 500


class BrokerChoice:
    """The options in order of preference, looked at once.

    Attributes:
        candidates: Names worth trying, best first; the forced one alone if there is one.
        skipped: Why the others were passed over, by name.

    Raises:
        pytest.UsageError: An option is forced that does not exist or cannot be had here.
    """

    def __init__(self, forced: str = "") -> None:
        self.forced = forced
        if forced:
            if forced not in _OPTIONS:
                raise pytest.UsageError(f"{FORCE}={forced}: must be one of {', '.join(_OPTIONS)}")
            if reason := _OPTIONS[forced][0]():
                raise pytest.UsageError(f"{FORCE}={forced}: {reason}")
        names = [forced] if forced else list(_OPTIONS)
        self.skipped = {} if forced else {name: reason for name in names if (reason := _OPTIONS[name][0]())}
        self.candidates = [name for name in names if name not in self.skipped]

    def start(self, cleanup: ExitStack) -> Broker:
        """Start the first candidate that comes up; ``cleanup`` stops it.

        Raises:
            RuntimeError: None came up; every reason is named.
        """
        for name in self.candidates:
            try:
                return _OPTIONS[name][1](cleanup)
            except Exception as error:  # any failure of one option means: on to the next, with the reason kept
                if self.forced:
                    raise
                self.skipped[name] = f"did not start: {error}"
        raise RuntimeError("no broker for the tests: " + self.reasons())

    def reasons(self) -> str:
        """Return, on one line, why it is this broker and no better one."""
        return "forced" if self.forced else "; ".join(f"{name}: {reason}" for name, reason in self.skipped.items())


def _env_missing() -> str:
    return "" if os.environ.get("KAFKA_BOOTSTRAP") else "KAFKA_BOOTSTRAP is not set"


def _env(_: ExitStack) -> Broker:
    return Broker("env", os.environ["KAFKA_BOOTSTRAP"])


def _docker_missing() -> str:
    with warnings.catch_warnings():
        # docker's client leaves its socket to the garbage collector when nothing answers.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            import docker  # noqa: PLC0415  # a development dependency that only this option needs

            with closing(docker.from_env(timeout=3)) as client:
                client.ping()
        except Exception as error:  # noqa: BLE001  # whatever keeps the engine from answering is the reason
            reason = f"no Docker engine answers ({type(error).__name__})"
        else:
            reason = ""
        gc.collect()
    return reason


def _docker(cleanup: ExitStack) -> Broker:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415  # slow import, for this option only

    # The same port inside and outside: the node also talks to itself under the address it tells clients.
    port = free_port()
    container = DockerContainer(f"apache/kafka:{kafka_version()}")
    settings = node_settings(port, free_port(), "/tmp/kraft-combined-logs", listen="0.0.0.0")
    for key, value in settings.items():
        container.with_env(f"KAFKA_{key.upper().replace('.', '_')}", value)
    # with_bind_ports would publish it on every interface
    container.ports[str(port)] = (LOOPBACK, port)  # type: ignore[assignment]  # docker takes it, see its `ports`
    cleanup.enter_context(container)

    def answers() -> bool:
        with suppress(OSError):
            return kafka_answers(port)
        return False

    eventually(answers, timeout=120, what="an answer of Apache Kafka in Docker")
    return Broker("docker", f"{LOOPBACK}:{port}")


def _jars_missing() -> str:
    missing = [tool for tool in ("java", "mvn") if not shutil.which(tool)]
    return f"{' and '.join(missing)} not found" if missing else ""


def _jars(cleanup: ExitStack) -> Broker:
    return Broker("jars", cleanup.enter_context(ApacheKafka()).bootstrap)


def _embedded(cleanup: ExitStack) -> Broker:
    bootstrap = cleanup.enter_context(EmbeddedStack(redis=False)).bootstrap
    return Broker("embedded", bootstrap, idempotence=False, session_timeout=4.0, fetch_max_wait_ms=40)


_OPTIONS: dict[str, tuple[Callable[[], str], Callable[[ExitStack], Broker]]] = {
    "env": (_env_missing, _env),
    "docker": (_docker_missing, _docker),
    "jars": (_jars_missing, _jars),
    "embedded": (lambda: "", _embedded),
}


class Topics:
    """Creates topics whose names no other test uses. Callable from inside and outside an event loop.

    Attributes:
        prefix: What every created name starts with, dot included.
    """

    def __init__(self, broker: Broker, prefix: str) -> None:
        """Keep where and under which prefix."""
        self.broker = broker
        self.prefix = prefix

    def name(self, name: str) -> str:
        """Return the full name of a topic of this test."""
        return self.prefix + name

    def create(self, name: str, partitions: int = 1, **config: str | int) -> str:
        """Create one topic, wait until every partition has a leader and return its full name.

        Args:
            name: Short name, e.g. ``"lead.events"``.
            partitions: Number of partitions.
            **config: Topic settings with underscores for dots, e.g. ``cleanup_policy="compact"``.
        """
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}
        return self.create_all({name: partitions}, settings)[name]

    def create_all(self, partitions: Mapping[str, int], config: Mapping[str, str] | None = None) -> dict[str, str]:
        """Create several topics with the same settings; return full names by short name."""
        wanted = {self.name(short): count for short, count in partitions.items()}
        with ThreadPoolExecutor(1) as pool:  # a loop of its own: callers may be inside one
            pool.submit(asyncio.run, _create_topics(self.broker.bootstrap, wanted, dict(config or {}))).result()
        return {short: self.name(short) for short in partitions}


async def _create_topics(bootstrap: str, wanted: Mapping[str, int], config: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        new = [NewTopic(name, count, 1, topic_configs=config) for name, count in wanted.items()]
        answer = await admin.create_topics(new)
        for name, code, *message in answer.topic_errors:
            if code:
                raise for_code(code)(f"creating {name}: {message}")
    finally:
        await admin.close()
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:

        async def led() -> bool:
            cluster = await client.fetch_all_metadata()
            return all(
                len(cluster.available_partitions_for_topic(name) or ()) == count for name, count in wanted.items()
            )

        await eventually_async(led, what=f"leaders for {', '.join(wanted)}")
    finally:
        await client.close()


async def set_configs(bootstrap: str, configs: dict[str, dict[str, str]]) -> None:
    """Set all settings of topics: what is not named in such an order goes back to its default."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        orders = [ConfigResource(ConfigResourceType.TOPIC, name, config) for name, config in configs.items()]
        await admin.alter_configs(orders)
    finally:
        await admin.close()
