"""Who does the count job: how each is started, what keeps it from running here, and how its changelog reads."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from pathlib import Path

from tests.bench import maven
from tests.bench.count_log import PARTITIONS, Count, CountLog
from tests.broker.count_job import MARKER, decode
from tests.brokers import Broker, Topics
from tests.worlds import ROOT

PEERS = ROOT / ".venv-bench/bin/python"
ROUND = 16_000
"""Records of a round, as large as throughput likes them; the peers fetch as much at a time. A lead agent takes up to 4,000."""


class Engine(ABC):
    """One way to run the job.

    Attributes:
        name: As printed.
        most: Most events it is given: a slow one would take all day. The figure is steady state all the same.
    """

    name: str
    most: int | None = None

    def missing(self, broker: Broker) -> str:
        """Return why it cannot run here; empty when it can."""
        return ""

    @abstractmethod
    def start(self, broker: Broker, topics: Topics, log: CountLog, run: str, folder: Path) -> list[str]:
        """Create what has to be there and return the command; ``run`` names this run's topics and group."""

    @abstractmethod
    def changelog(self, topics: Topics, log: CountLog, run: str) -> str:
        """Return the full name of the topic with its state."""

    @abstractmethod
    def reads(self, key: bytes, value: bytes | None) -> tuple[bytes, Count] | None:
        """Return key and count of a changelog record; None when it is not about a key."""


class Lane(Engine):
    """Ours: outputs acknowledged, then state acknowledged, then the offset may be committed.

    Args:
        most_records: Of a round. A round writes the state of each of its keys once, and waits for the broker twice.
    """

    def __init__(self, most_records: int) -> None:
        self._most_records = most_records
        self.name = "lane" if most_records == ROUND else f"lane, {most_records:,} a round"

    def start(self, broker: Broker, topics: Topics, log: CountLog, run: str, folder: Path) -> list[str]:
        topics.create(f"{run}-changelog", PARTITIONS, cleanup_policy="compact")
        where = ["--bootstrap", broker.bootstrap, "--group", topics.name(run), "--inbox", log.topic]
        to = ["--outputs", topics.name(f"{run}-outputs"), "--changelog", self.changelog(topics, log, run)]
        most = ["--max-records", str(self._most_records)]
        return [sys.executable, "-m", "tests.broker.count_worker", *where, *to, *most]

    def changelog(self, topics: Topics, log: CountLog, run: str) -> str:
        return topics.name(f"{run}-changelog")

    def reads(self, key: bytes, value: bytes | None) -> tuple[bytes, Count] | None:
        if key == MARKER or key.startswith(b"\x00"):
            return None
        return key, decode(value or b"")[:2]


class StockFaust(Engine):
    """Faust as its documentation writes it: an agent and a Table, in memory, with Faust's changelog."""

    name = "Faust, stock"
    most = 20_000

    def start(self, broker: Broker, topics: Topics, log: CountLog, run: str, folder: Path) -> list[str]:
        where = ["--bootstrap", broker.bootstrap, "--group", topics.name(run), "--inbox", log.topic]
        to = ["--outputs", topics.name(f"{run}-outputs"), "--datadir", str(folder / run)]
        how = ["--partitions", str(PARTITIONS), "--session-s", "20"]
        return [sys.executable, "-m", "tests.broker.stock_worker", *where, *to, *how]

    def changelog(self, topics: Topics, log: CountLog, run: str) -> str:
        return topics.name(f"{run}-counts-changelog")

    def reads(self, key: bytes, value: bytes | None) -> tuple[bytes, Count] | None:
        events, total = json.loads(value or b"")
        return json.loads(key).encode(), (events, total)


class Quix(Engine):
    """Quix Streams, in its own virtual environment."""

    name = "Quix Streams"
    most = 600_000

    def missing(self, broker: Broker) -> str:
        if not broker.idempotence:
            return "it asks for topic settings that the embedded broker does not tell"
        if (PEERS.parent.parent / ".done").exists():
            return ""
        return f"not installed in {PEERS.parent.parent.name}: no wheel for this platform, or run `make bench`"

    def start(self, broker: Broker, topics: Topics, log: CountLog, run: str, folder: Path) -> list[str]:
        where = ["--bootstrap", broker.bootstrap, "--group", topics.name(run), "--inbox", log.topic]
        to = ["--outputs", topics.name(f"{run}-outputs"), "--state", str(folder / run)]
        program = Path(__file__).with_name("quix_count.py")
        return [str(PEERS), str(program), *where, *to, *([] if broker.idempotence else ["--no-idempotence"])]

    def changelog(self, topics: Topics, log: CountLog, run: str) -> str:
        return f"changelog__{topics.name(run)}--{log.topic}--default"

    def reads(self, key: bytes, value: bytes | None) -> tuple[bytes, Count] | None:
        events, _, total = (value or b"").partition(b":")
        return key.removesuffix(b"|count"), (int(events), int(total))


class KafkaStreams(Engine):
    """Kafka Streams: one thread, in-memory store, no cache; all else as it comes, but for the size of batches.

    Compression by lz4, polls and buffers of 16,000 records and fetches of at least 100 kB were tried (2026-11-22): none was faster.

    Args:
        guarantee: ``at_least_once`` or ``exactly_once_v2``.
        batch_bytes: The producer's batch.size. Its default of 16 KiB costs more than half of the throughput;
            Confluent's guide to throughput says 100,000 to 200,000. Both are measured.
    """

    def __init__(self, guarantee: str, batch_bytes: int = 16_384) -> None:
        self.guarantee, self.batch_bytes = guarantee, batch_bytes
        self.name = "Kafka Streams" + (", EOS" if guarantee == "exactly_once_v2" else "")
        if batch_bytes > 16_384:
            self.name += f", {batch_bytes // 1000} kB"

    def missing(self, broker: Broker) -> str:
        if not broker.idempotence:
            return "the embedded broker has no transactions and no internal topics"
        return maven.missing()

    def start(self, broker: Broker, topics: Topics, log: CountLog, run: str, folder: Path) -> list[str]:
        settings = {
            "application.id": topics.name(run),
            "bootstrap.servers": broker.bootstrap,
            "processing.guarantee": self.guarantee,
            "num.stream.threads": 1,
            "statestore.cache.max.bytes": 0,
            "replication.factor": 1,
            "auto.offset.reset": "earliest",
            "state.dir": folder / run,
            "producer.batch.size": self.batch_bytes,
        }
        file = folder / f"{run}.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        java = ["java", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", maven.class_path()]
        return [*java, "CountJob", str(file), log.topic, topics.name(f"{run}-outputs")]

    def changelog(self, topics: Topics, log: CountLog, run: str) -> str:
        return f"{topics.name(run)}-counts-changelog"

    def reads(self, key: bytes, value: bytes | None) -> tuple[bytes, Count] | None:
        whole = value or b""
        return key, (int.from_bytes(whole[:8]), int.from_bytes(whole[8:]))


ENGINES: tuple[Engine, ...] = (
    Lane(ROUND),
    Lane(4_000),
    KafkaStreams("at_least_once"),
    KafkaStreams("at_least_once", 200_000),
    KafkaStreams("exactly_once_v2", 200_000),
    Quix(),
    StockFaust(),
)
