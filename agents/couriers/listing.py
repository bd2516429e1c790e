"""The ledger for people: what was sent, what waits, and above all what nobody can be sure of."""

from collections.abc import Iterable

from aiokafka.client import AIOKafkaClient

from agents.broker import probe
from agents.table import Changelog, one_by_one
from agents.writer import Writer
from schemas.ledger import LedgerEntry, LedgerState


async def read_ledger(bootstrap: str, topic: str) -> list[LedgerEntry]:
    """Read the newest entry of every command of every channel.

    Args:
        bootstrap: `host:port[,host:port]`.
        topic: Full name of the ledger's topic.
    """
    flavour = await probe(bootstrap)
    entries: dict[str, LedgerEntry] = {}

    def apply(key: bytes, value: bytes | None, _: int) -> None:
        if value is None:
            entries.pop(key.decode(), None)
        else:
            entries[key.decode()] = LedgerEntry.model_validate_json(value)

    writer = Writer(bootstrap, idempotent=flavour.idempotent, client_id="ledger-reader")
    await writer.start()
    try:
        partitions = await _partitions(bootstrap, topic)
        changelog = Changelog(topic, writer, bootstrap, fetch_max_wait_ms=flavour.fetch_max_wait_ms)
        await changelog.recover_all(partitions, lambda _: one_by_one(apply))
    finally:
        await writer.stop()
    return sorted(entries.values(), key=lambda entry: (entry.at, entry.id))


def in_doubt(entries: Iterable[LedgerEntry]) -> list[LedgerEntry]:
    """Every command that may have reached its lead twice, or not at all: a person should look."""
    return [
        entry
        for entry in entries
        if entry.in_doubt_resends or entry.state in (LedgerState.IN_DOUBT, LedgerState.UNKNOWN)
    ]


async def _partitions(bootstrap: str, topic: str) -> list[int]:
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        await client.set_topics([topic])
        return sorted(client.cluster.partitions_for_topic(topic) or ())
    finally:
        await client.close()
