"""The contrast: the same job, faults and comparison on stock Faust must come out wrong, or the comparison is blind."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from agents.writer import Writer
from tests.broker.faults import Log, Workers, compare, nemesis, traffic
from tests.brokers import Broker, Topics

pytestmark = [pytest.mark.broker, pytest.mark.long]

PARTITIONS = 4
EVENTS = 12_000
SEED = 20261121
_QUIET_READS = 15


def test_the_comparison_finds_what_kill_9_does_to_stock_faust(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    """5 x kill -9: counts in its table and its outputs differ from the oracle's."""
    inbox, outputs = topics.create("inbox", PARTITIONS), topics.create("outputs", PARTITIONS)
    changelog = topics.create("inbox-counts-changelog", PARTITIONS, cleanup_policy="compact")
    where = ["--bootstrap", broker.bootstrap, "--group", inbox, "--inbox", inbox, "--outputs", outputs]
    more = ["--partitions", str(PARTITIONS), "--session-s", str(broker.session_timeout), "--datadir", str(tmp_path)]
    log = tmp_path / "workers.log"

    async def run(workers: Workers) -> None:
        writer = Writer(broker.bootstrap, idempotent=broker.idempotence)
        await writer.start()
        await asyncio.gather(
            traffic(writer, inbox, PARTITIONS, number=EVENTS, seconds=25.0),
            nemesis(workers, SEED, kills=5, pauses=0, pause_s=0.0, every_s=4.0),
        )
        await writer.stop()
        async with (
            Log(broker.bootstrap, changelog, PARTITIONS) as states,
            Log(broker.bootstrap, outputs, PARTITIONS) as found,
            Log(broker.bootstrap, inbox, PARTITIONS) as events,
        ):
            # It has no "applied" mark to wait for: wait until nothing new came for a while.
            quiet = 0
            while quiet < _QUIET_READS:
                quiet = 0 if await found.read(1_000) else quiet + 1
            for topic in (states, events):
                while await topic.read(1_000):
                    pass
            counts: dict[int, dict[bytes, tuple[int, int]]] = {number: {} for number in range(PARTITIONS)}
            for record in states.records:
                assert record.key is not None
                if record.value:
                    number, total = json.loads(record.value)
                    counts[record.partition][json.loads(record.key).encode()] = (number, total)
            verdict = compare(events.records, [(r.key, r.value) for r in found.records], counts)
            sys.stdout.write(f"stock Faust: {verdict}, exits {dict(workers.exits)}\n")
            assert found.records, log.read_text()[-5000:]  # it did run
            assert verdict.lost or verdict.wrong or verdict.wrong_states

    with Workers(["-m", "tests.broker.stock_worker", *where, *more], 2, log) as workers:
        asyncio.run(run(workers))
