"""Lays the same world for Quix Streams: the leads' rows on a changelog in its form. Knows how its worker is started."""

from __future__ import annotations

from pathlib import Path

from agents.writer import Out, Writer
from schemas import topics
from tests.bench.count_engines import PEERS, Quix
from tests.bench.lead_log import LeadLog, pieces
from tests.brokers import Broker, Topics

_HEADERS = [("__column_family__", b"default")]  # without it Quix does not read a changelog record
_ROW_KEY = b"row"


def missing(broker: Broker) -> str:
    """Return why it cannot run here; empty when it can."""
    return Quix().missing(broker)


async def lay(broker: Broker, log: LeadLog, prefix: str, folder: Path) -> list[str]:
    """Write the changelog of a new group and return the command that starts it."""
    group, inbox = f"{prefix}quix", prefix + topics.EVENTS.name
    name = f"changelog__{group}--{inbox}--default"
    changelog = Topics(broker, "").create(name, log.partitions, cleanup_policy="compact")
    writer = Writer(broker.bootstrap, idempotent=broker.idempotence)
    await writer.start()
    for rows in pieces(log.rows()):
        await writer.produce(
            Out(changelog, number, key + b"|" + _ROW_KEY, row, None, _HEADERS) for number, key, row in rows
        )
    await writer.stop()
    model = next(path.parent for path in log.models.glob("*/manifest.json"))
    where = ["--bootstrap", broker.bootstrap, "--group", group, "--inbox", inbox]
    to = ["--outputs", prefix + topics.ASSESSMENTS.name, "--state", str(folder / group), "--model", str(model)]
    return [str(PEERS), "-m", "tests.bench.quix_full", *where, *to]
