"""Apache Kafka, one node (KRaft), from Maven Central's jars: for tests and ``make kafka``. Needs Java and Maven.

The jars are fetched once, about 40 MB, into ``$XDG_CACHE_HOME/leadkeeper/kafka-<version>`` (default ``~/.cache``).
Broker and controller share one JVM and listen on loopback only. A named data directory survives ``kill`` and ``stop``,
so a crash and a restart can be played through; without a name the data goes with the broker.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self
from xml.etree import ElementTree as ET

from agents.child import LOOPBACK, ChildError, ChildProcess, free_port
from agents.embedded import kafka_answers

POM: Final = Path(__file__).with_name("pom.xml")
HEAP: Final = "512m"
UNAVAILABLE: Final = getattr(os, "EX_UNAVAILABLE", 69)
_READY_SECONDS: Final = 90.0
_ATTEMPTS: Final = 3  # a port found free can be taken before Kafka binds it


class KafkaUnavailableError(RuntimeError):
    """Java, Maven or the jars are missing; the text says what to install."""


class ApacheKafka:
    """One Kafka node for as long as the ``with`` block lasts.

    Args:
        port: Port for clients; a free one when 0.
        data: Directory for the log, kept afterwards and used again if it holds one; temporary when None.
        behind: For clients that come through a proxy: the port to listen on for it, and the proxy's own port, which is
            what they are told to connect to.

    Attributes:
        bootstrap: ``host:port`` for clients; the same after ``restart``.
    """

    def __init__(self, *, port: int = 0, data: Path | None = None, behind: tuple[int, int] | None = None) -> None:
        """Remember what is wanted; nothing starts yet."""
        self.bootstrap = ""
        self._behind = behind
        self._port = port
        self._named_data = data
        self._data = data
        self._cleanup = ExitStack()
        self._child: ChildProcess | None = None

    def start(self) -> Self:
        """Fetch the jars if need be, format the storage if it is new, start, and wait until it answers.

        Raises:
            KafkaUnavailableError: Java, Maven or the jars are missing.
            ChildError: Kafka did not come up.
        """
        java = _require("java", "a Java runtime, 17 or later (Debian: openjdk-17-jre-headless)")
        jars = fetch_jars()
        try:
            if self._data is None:
                self._data = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="leadkeeper-kafka-")))
            self._start(java, jars, self._data.resolve())
        except BaseException:
            self.stop()
            raise
        return self

    @property
    def pid(self) -> int:
        """Process id of the JVM.

        Raises:
            RuntimeError: It is not started.
        """
        return self._running_child().pid

    def kill(self) -> None:
        """Crash it (``kill -9``). The data stays for ``restart``."""
        self._running_child().kill()

    def restart(self) -> None:
        """Start it again, on the same port and data, after ``kill``; stops it first if it still runs."""
        self._running_child().stop()
        self.start()

    def wait(self) -> int:
        """Wait until the broker ends by itself; return its exit status."""
        return self._running_child().wait()

    def stop(self) -> None:
        """Stop it by pid. The data goes unless a directory was named. Stopping twice is harmless."""
        if self._child is not None:
            if self._named_data is None:
                self._child.kill()  # what goes with it need not be written down first: with many topics that takes half a minute
            else:
                self._child.stop(grace=30.0)
            self._child = None
        self._cleanup.close()
        self._data = self._named_data

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _running_child(self) -> ChildProcess:
        if self._child is None:
            raise RuntimeError("Apache Kafka is not started: call start() first")
        return self._child

    def _start(self, java: str, jars: Path, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        attempts = 1 if self._port else _ATTEMPTS
        for attempt in range(1, attempts + 1):
            port = self._port or free_port()
            config = data / "server.properties"
            settings = node_settings(port, free_port(), str(data / "log"))
            if self._behind is not None:
                _listen_behind_a_proxy(settings, *self._behind)
            config.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
            if not (data / "log" / "meta.properties").exists():
                _format_storage(java, jars, config)
            command = [java, f"-Xmx{HEAP}", "-Xms128m", *_java_options(jars), "kafka.Kafka", str(config)]
            child = ChildProcess("Apache Kafka", command, log=data / "server.log", cwd=data)
            try:
                child.wait_ready(lambda port=port: kafka_answers(port), _READY_SECONDS)  # type: ignore[misc]  # bound now
            except ChildError:
                if attempt == attempts:
                    raise
                continue
            self._child, self._port, self.bootstrap = child, port, f"{LOOPBACK}:{port}"
            return


def node_settings(port: int, controller_port: int, log_dir: str, listen: str = LOOPBACK) -> dict[str, str]:
    """Return the broker settings of a single node that clients reach on loopback.

    Args:
        port: Port for clients.
        controller_port: Port for the controller, used within the node only.
        log_dir: Directory for the log.
        listen: Address the client port listens on.
    """
    one = "1"  # nothing is replicated, and what would be sized for a cluster stays small
    return {
        "process.roles": "broker,controller",
        "node.id": one,
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{listen}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": log_dir,
        # A misspelt topic is an error, as in a well-kept cluster.
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": one,
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": one,
        "transaction.state.log.min.isr": one,
        "share.coordinator.state.topic.num.partitions": one,
        "share.coordinator.state.topic.replication.factor": one,
        "share.coordinator.state.topic.min.isr": one,
        # After a crash the controller must forget the old incarnation first: measured here, a restart takes 13 s with
        # the default session of 9 s and 7 s with 4 s.
        "broker.session.timeout.ms": "4000",
        "broker.heartbeat.interval.ms": "500",
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "num.network.threads": "2",
        "num.io.threads": "4",
    }


def _listen_behind_a_proxy(settings: dict[str, str], port: int, proxy_port: int) -> None:
    settings["listeners"] += f",PROXIED://{LOOPBACK}:{port}"
    settings["advertised.listeners"] += f",PROXIED://{LOOPBACK}:{proxy_port}"
    settings["listener.security.protocol.map"] += ",PROXIED:PLAINTEXT"


def fetch_jars() -> Path:
    """Return the folder with the jars of ``pom.xml``, fetching them with Maven the first time.

    Raises:
        KafkaUnavailableError: Maven is missing or could not fetch them.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leadkeeper"
    jars = cache / f"kafka-{kafka_version()}"
    if jars.is_dir():
        return jars
    mvn = _require("mvn", "Maven (Debian: maven)")
    cache.mkdir(parents=True, exist_ok=True)
    # Fetched aside and then renamed: nobody ever sees half a set of jars.
    with tempfile.TemporaryDirectory(prefix=f"{jars.name}.", dir=cache) as aside:
        fetched = Path(aside, "jars")
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={fetched}"]
        done = subprocess.run(
            [mvn, "-q", "-B", "-f", str(POM), *goal],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise KafkaUnavailableError(f"mvn could not fetch Apache Kafka:\n{(done.stdout + done.stderr)[-2000:]}")
        try:
            fetched.rename(jars)
        except OSError:
            if not jars.is_dir():  # else somebody else was faster, with the same jars
                raise
    return jars


def kafka_version() -> str:
    """Return the version of Apache Kafka that ``pom.xml`` names."""
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    for dependency in ET.parse(POM).iterfind("m:dependencies/m:dependency", space):  # noqa: S314  # our own file
        if dependency.findtext("m:artifactId", namespaces=space) == "kafka_2.13":
            return str(dependency.findtext("m:version", namespaces=space))
    raise KafkaUnavailableError(f"{POM.name} names no kafka_2.13")


def _require(tool: str, remedy: str) -> str:
    if path := shutil.which(tool):
        return path
    raise KafkaUnavailableError(
        f"`{tool}` is not on PATH: install {remedy}, or use Docker or the embedded broker instead"
    )


def _java_options(jars: Path) -> list[str]:
    log = "-Dorg.slf4j.simpleLogger."
    return [f"{log}defaultLogLevel=warn", f"{log}showDateTime=true", "-cp", f"{jars}/*"]


def _format_storage(java: str, jars: Path, config: Path) -> None:
    # The tool takes an id that begins with a dash, as one of 64 does, for an option.
    cluster = "L" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
    tool = [java, "-Xmx128m", "-XX:TieredStopAtLevel=1", *_java_options(jars), "kafka.tools.StorageTool"]
    done = subprocess.run(
        [*tool, "format", "-t", cluster, "-c", str(config)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ChildError(f"Apache Kafka could not format its storage:\n{(done.stdout + done.stderr)[-2000:]}")


def main() -> int:
    """Run a broker in the foreground until Ctrl-C; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.kafka.run", description="Apache Kafka, one node, on loopback."
    )
    parser.add_argument("--port", type=int, default=9092, help="port for clients; 0 takes a free one (default 9092)")
    parser.add_argument("--data", type=Path, help="directory for the log, kept afterwards (default: temporary)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` ends it as Ctrl-C does
    try:
        with ApacheKafka(port=options.port, data=options.data) as kafka:
            print(f"Apache Kafka {kafka_version()} answers at {kafka.bootstrap}.")
            print(f"Use it with:  export LEADKEEPER_BOOTSTRAP={kafka.bootstrap}")
            print(f"              (make demo and make test: export KAFKA_BOOTSTRAP={kafka.bootstrap})")
            print(f"Stop it with: Ctrl-C, or kill {os.getpid()}", flush=True)
            return kafka.wait()
    except KafkaUnavailableError as error:
        print(error, file=sys.stderr)
        return UNAVAILABLE
    except ChildError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.")
        return 0


if __name__ == "__main__":
    sys.exit(main())
