"""The lane under faults, against an in-memory oracle: nothing lost, nothing wrong; and how it starts and stops."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from agents.rounds import LaneSettings
from agents.writer import Writer
from tests.broker.count_job import event
from tests.broker.faults import Log, Verdict, Workers, applied, compare, nemesis, plain, traffic
from tests.broker.forgetful_worker import SAID
from tests.brokers import Broker, Topics
from tests.polling import eventually_async

pytestmark = [pytest.mark.broker, pytest.mark.slow]

PARTITIONS = 4
EVENTS = 12_000
SEED = 20261121


def _topics(topics: Topics) -> tuple[str, str, str]:
    inbox, outputs = topics.create("inbox", PARTITIONS), topics.create("outputs", PARTITIONS)
    return inbox, outputs, topics.create("changelog", PARTITIONS, cleanup_policy="compact")


def _command(broker: Broker, inbox: str, outputs: str, changelog: str) -> list[str]:
    where = ["--bootstrap", broker.bootstrap, "--group", inbox]
    return ["-m", "tests.broker.count_worker", *where, "--inbox", inbox, "--outputs", outputs, "--changelog", changelog]


async def _committed(bootstrap: str, group: str, topic: str) -> dict[int, int | None]:
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await reader.start()
    try:
        tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        reader.assign(tps)
        return {tp.partition: await reader.committed(tp) for tp in tps}
    finally:
        await reader.stop()


def test_kills_and_pauses_lose_nothing_and_double_nothing(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    """Two workers, 5 x kill -9 and 2 x SIGSTOP of twice the session: state and outputs equal the sequential oracle."""
    inbox, outputs, changelog = _topics(topics)
    log = tmp_path / "workers.log"

    async def run(workers: Workers) -> None:
        writer = Writer(broker.bootstrap, idempotent=broker.idempotence)
        await writer.start()
        async with (
            Log(broker.bootstrap, changelog, PARTITIONS) as states,
            Log(broker.bootstrap, outputs, PARTITIONS) as found,
            Log(broker.bootstrap, inbox, PARTITIONS) as events,
        ):
            pause_s = 2 * broker.session_timeout
            seconds = 5 * 3.0 + 2 * (pause_s + 3.0)
            await asyncio.gather(
                traffic(writer, inbox, PARTITIONS, number=EVENTS, seconds=seconds),
                nemesis(workers, SEED, kills=5, pauses=2, pause_s=pause_s, every_s=3.0),
            )
            await applied(states, EVENTS, workers)
            for topic in (states, found, events):
                while await topic.read(1_000):
                    pass
            verdict = compare(events.records, [(r.key, r.value) for r in found.records], plain(states.states()))
            sys.stdout.write(f"{verdict}, exits {dict(workers.exits)}\n")
            assert len(events.records) == EVENTS
            assert (verdict.lost, verdict.wrong, verdict.wrong_states) == (0, 0, 0), log.read_text()[-5000:]
        await writer.stop()

    with Workers(_command(broker, inbox, outputs, changelog), 2, log) as workers:
        asyncio.run(run(workers))
    assert workers.exits[-9] == 5
    # Whoever was paused past its session must not have gone on: the lease ended it.
    assert workers.exits[75] >= 1, log.read_text()[-5000:]
    assert workers.exits.keys() <= {0, -9, 75}, log.read_text()[-5000:]


def test_what_the_fetcher_skips_is_fetched_again(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    """The position jumps ahead several times a second: the lane notices each gap and nothing is missing."""
    inbox, outputs, changelog = _topics(topics)
    log = tmp_path / "workers.log"
    _, _, *where = _command(broker, inbox, outputs, changelog)
    slow = ["--max-records", "20", "--spacing-ms", "20", "--figures"]
    total = 3_000

    async def fill() -> None:
        writer = Writer(broker.bootstrap, idempotent=broker.idempotence)
        await writer.start()
        await traffic(writer, inbox, PARTITIONS, number=total, seconds=0.2)
        await writer.stop()

    async def check(workers: Workers) -> None:
        async with (
            Log(broker.bootstrap, changelog, PARTITIONS) as states,
            Log(broker.bootstrap, outputs, PARTITIONS) as found,
            Log(broker.bootstrap, inbox, PARTITIONS) as events,
        ):
            await applied(states, total, workers)
            for topic in (found, events):
                while await topic.read(1_000):
                    pass
            verdict = compare(events.records, [(r.key, r.value) for r in found.records], plain(states.states()))
            assert verdict == Verdict(lost=0, wrong=0, wrong_states=0, repeats=0)

    asyncio.run(fill())
    with Workers(["-m", "tests.broker.skipping_worker", *where, *slow], 1, log) as workers:
        asyncio.run(check(workers))
    assert workers.exits == {0: 1}, log.read_text()[-5000:]
    figures = _figures(log)[-1]
    assert figures["rewinds"] > 0
    assert figures["holes"] == figures["data_loss"] == 0


def test_the_very_last_fetch_is_not_lost(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    """Nothing comes after it that could show the gap: the lane sees where its fetcher stands, long before its watchdog."""
    inbox, outputs, changelog = _topics(topics)
    log = tmp_path / "workers.log"
    _, _, *where = _command(broker, inbox, outputs, changelog)
    total = 40

    async def check(workers: Workers) -> None:
        writer = Writer(broker.bootstrap, idempotent=broker.idempotence)
        await writer.start()
        async with Log(broker.bootstrap, changelog, PARTITIONS) as states:
            await traffic(writer, inbox, PARTITIONS, number=total, seconds=0.1)
            await applied(states, total, workers, timeout=LaneSettings("", "").stuck_s / 3)
        await writer.stop()
        await eventually_async(counted, timeout=30, what="the gaps in the figures")

    async def counted() -> bool:
        return any(each["rewinds"] >= PARTITIONS for each in _figures(log))

    with Workers(["-m", "tests.broker.forgetful_worker", *where, "--figures"], 1, log) as workers:
        asyncio.run(check(workers))
    assert workers.exits == {0: 1}, log.read_text()[-5000:]
    assert log.read_text().count(SAID) == PARTITIONS
    assert _figures(log)[-1]["holes"] == _figures(log)[-1]["data_loss"] == 0


def test_a_log_that_ends_with_control_records_is_not_read_forever(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    """A sender that writes in transactions leaves offsets without records: looked for once, then passed over."""
    if not broker.idempotence:
        pytest.skip("this broker has no transactions")
    inbox, outputs, changelog = _topics(topics)
    log = tmp_path / "workers.log"
    _, _, *where = _command(broker, inbox, outputs, changelog)

    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=inbox) as producer:
            for commits in (True, False, True):
                await producer.begin_transaction()
                for number in range(PARTITIONS):
                    await producer.send_and_wait(inbox, event("lead", number), b"lead", partition=number)
                await (producer.commit_transaction if commits else producer.abort_transaction)()

    async def check() -> None:
        async with Log(broker.bootstrap, changelog, PARTITIONS) as states:
            await applied(states, 5 * PARTITIONS, workers)  # record, marker, two aborted, record
        await eventually_async(quiet, timeout=60, what="every hole passed over, and peace")

    async def quiet() -> bool:
        last = [(each["rewinds"], each["holes"]) for each in _figures(log)[-4:]]  # a second from one to the next
        return len(last) == 4 and len(set(last)) == 1 and last[0][1] == 4 * PARTITIONS

    asyncio.run(send())
    with Workers(["-m", "tests.broker.count_worker", *where, "--figures"], 1, log) as workers:
        asyncio.run(check())
    assert workers.exits == {0: 1}, log.read_text()[-5000:]


def _figures(log: Path) -> list[dict[str, float]]:
    """What a worker has printed."""
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def test_graceful_restarts_under_load_repeat_nothing(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    """SIGTERM finishes the round in flight, commits and leaves: the next worker goes on without a single duplicate."""
    inbox, outputs, changelog = _topics(topics)
    part, parts = 2_000, 4

    async def run(workers: Workers) -> None:
        writer = Writer(broker.bootstrap, idempotent=broker.idempotence)
        await writer.start()
        async with (
            Log(broker.bootstrap, changelog, PARTITIONS) as states,
            Log(broker.bootstrap, outputs, PARTITIONS) as found,
        ):
            for number in range(1, parts + 1):
                flowing = asyncio.create_task(traffic(writer, inbox, PARTITIONS, number=part, seconds=2.0))
                await eventually_async(found.read, timeout=60, what=f"outputs of worker {number}")
                if number < parts:
                    await workers.stop()
                    while await found.read():
                        pass  # what it left
                    workers.replace_dead()
                await flowing
            await applied(states, parts * part, workers)
            while await found.read(1_000):
                pass
            assert len(found.records) == len({(r.key, r.value) for r in found.records}) == parts * part
        await writer.stop()

    with Workers(_command(broker, inbox, outputs, changelog), 1, tmp_path / "workers.log") as workers:
        asyncio.run(run(workers))
    assert workers.exits == {0: parts}
    offsets = asyncio.run(_committed(broker.bootstrap, inbox, inbox))
    assert sum(offset or 0 for offset in offsets.values()) == parts * part


def test_whatever_producers_compress_with_is_read(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    """One batch by each codec that Kafka knows, as producers in Java or librdkafka may be set: each event is counted."""
    inbox, outputs, changelog = _topics(topics)
    codecs = ("gzip", "snappy", "lz4", "zstd")

    async def run(workers: Workers) -> None:
        for codec in codecs:
            writer = Writer(broker.bootstrap, idempotent=broker.idempotence, compression=codec)
            await writer.start()
            await traffic(writer, inbox, PARTITIONS, number=400, seconds=0.0)
            await writer.stop()
        async with Log(broker.bootstrap, changelog, PARTITIONS) as states:
            await applied(states, 400 * len(codecs), workers)

    with Workers(_command(broker, inbox, outputs, changelog), 1, tmp_path / "workers.log") as workers:
        asyncio.run(run(workers))
    assert workers.exits == {0: 1}


def test_a_new_group_commits_its_start(broker: Broker, topics: Topics, tmp_path: Path) -> None:
    """Before the first record: else a group that dies early starts over wherever the log start is by then."""
    inbox, outputs, changelog = _topics(topics)

    async def started() -> bool:
        return await _committed(broker.bootstrap, inbox, inbox) == dict.fromkeys(range(PARTITIONS), 0)

    with Workers(_command(broker, inbox, outputs, changelog), 1, tmp_path / "workers.log") as workers:
        asyncio.run(eventually_async(started, timeout=60, what="the first commit"))
    assert workers.exits == {0: 1}
