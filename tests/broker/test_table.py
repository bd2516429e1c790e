"""Durable state and batch writing on a real broker: what is acknowledged is found again, whole, in order, by anyone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from agents.broker import probe
from agents.table import Apply, Changelog, one_by_one
from agents.writer import BATCH_BYTES, Out, RecordTooLargeError, Writer, WriterFailedError, partition_for
from schemas.errors import StateUnreadable
from tests.broker.faults import Log
from tests.brokers import Broker, Topics

pytestmark = pytest.mark.broker

Seen = dict[bytes, bytes | None]


@asynccontextmanager
async def _table(broker: Broker, topic: str) -> AsyncIterator[tuple[Changelog, Writer]]:
    writer = Writer(broker.bootstrap, idempotent=broker.idempotence)
    await writer.start()
    try:
        yield Changelog(topic, writer, broker.bootstrap, fetch_max_wait_ms=broker.fetch_max_wait_ms), writer
    finally:
        await writer.stop()


def _into(seen: Seen) -> Apply:
    def apply(key: bytes, value: bytes | None, offset: int) -> None:
        seen[key] = value

    return one_by_one(apply)


def _run(check: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await check()

    asyncio.run(run())


def test_another_process_finds_all_of_it(broker: Broker, topics: Topics) -> None:
    topic = topics.create("state", 2, cleanup_policy="compact")

    async def check() -> None:
        async with _table(broker, topic) as (mine, _), _table(broker, topic) as (other, _):
            assert await mine.recover(1, _into({})) == 0
            many = [Out(topic, 1, b"k%d" % n, b"v") for n in range(5_000)]
            await mine.write({1: many}, {1: [Out(topic, 1, b"k0", None)]})
            seen: Seen = {}
            assert await other.recover(1, _into(seen)) == 5_001
            assert seen == {b"k0": None} | {b"k%d" % n: b"v" for n in range(1, 5_000)}

    _run(check)


def test_own_writes_are_not_read_again_but_others_are(broker: Broker, topics: Topics) -> None:
    topic = topics.create("state", 1, cleanup_policy="compact")

    async def check() -> None:
        async with _table(broker, topic) as (mine, _), _table(broker, topic) as (other, _):
            await mine.recover(0, _into({}))
            await mine.write({0: [Out(topic, 0, b"mine", b"1")]})
            assert await mine.recover(0, _into({})) == 0
            await other.recover(0, _into({}))
            await other.write({0: [Out(topic, 0, b"other", b"2")]})
            seen: Seen = {}
            assert await mine.recover(0, _into(seen)) == 1
            assert seen == {b"other": b"2"}
            mine.forget(0)
            assert await mine.recover(0, _into(seen)) == 2
            assert seen == {b"mine": b"1", b"other": b"2"}

    _run(check)


def test_a_foreign_write_is_noticed_and_read(broker: Broker, topics: Topics) -> None:
    topic = topics.create("state", 1, cleanup_policy="compact")

    async def check() -> None:
        async with _table(broker, topic) as (mine, _), _table(broker, topic) as (_, zombie):
            await mine.recover(0, _into({}))
            await zombie.produce([Out(topic, 0, b"late", b"z")])
            await mine.write({0: [Out(topic, 0, b"mine", b"1")]})
            await mine.write({0: [Out(topic, 0, b"mine", b"2")]})
            assert mine.stats.foreign_writes == 1
            seen: Seen = {}
            await mine.recover(0, _into(seen))
            assert seen == {b"late": b"z", b"mine": b"2"}

    _run(check)


def test_a_record_that_cannot_be_applied_stops_the_recovery_and_is_named(broker: Broker, topics: Topics) -> None:
    topic = topics.create("state", 1, cleanup_policy="compact")

    def apply(key: bytes, value: bytes | None, offset: int) -> None:
        if key == b"bad":
            raise ValueError("version 99")

    async def check() -> None:
        async with _table(broker, topic) as (table, _):
            await table.write({0: [Out(topic, 0, b"good", b"1"), Out(topic, 0, b"bad", b"?")]})
            with pytest.raises(StateUnreadable, match=rf"{topic}\[0\] offset 1: .*version 99"):
                await table.recover(0, one_by_one(apply))

    _run(check)


def test_batches_keep_order_and_the_last_ones_share_the_final_batch(broker: Broker, topics: Topics) -> None:
    topic = topics.create("out", 2)
    many = [Out(topic, n % 2, b"k%d" % n, b"x" * 200_000) for n in range(24)]
    last = [Out(topic, 1, b"gone", None), Out(topic, 1, b"applied", b"y" * 700_000)]

    async def check() -> None:
        async with _table(broker, topic) as (_, writer):
            acked = await writer.produce(many, last)
            assert len(acked[topic, 0]) > 1
            assert acked[topic, 1][-1].records == 2
            async with Log(broker.bootstrap, topic, 2) as found:
                while len(found.records) < 26:
                    assert await found.read(5_000)
            for partition, wanted in ((0, many[::2]), (1, [*many[1::2], *last])):
                keys = [r.key for r in found.records if r.partition == partition]
                assert keys == [out.key for out in wanted]

    _run(check)


def test_what_cannot_fit_is_refused_before_anything_is_written(broker: Broker, topics: Topics) -> None:
    topic = topics.create("out", 1)
    big = Out(topic, 0, b"big", b"x" * BATCH_BYTES)
    halves = [Out(topic, 0, b"a", b"x" * (BATCH_BYTES // 2)), Out(topic, 0, b"b", b"x" * (BATCH_BYTES // 2))]

    async def check() -> None:
        async with _table(broker, topic) as (_, writer):
            with pytest.raises(RecordTooLargeError, match=topic):
                await writer.produce([Out(topic, 0, b"small", b"1"), big])
            with pytest.raises(RecordTooLargeError, match="must go as one"):
                await writer.produce([], halves)
            assert (await writer.produce([Out(topic, 0, b"first", b"1")]))[topic, 0][0].base_offset == 0

    _run(check)


def test_a_write_that_nobody_takes_raises(broker: Broker, topics: Topics) -> None:
    topic = topics.create("out", 1)

    async def check() -> None:
        async with _table(broker, topic) as (_, writer):
            with pytest.raises(WriterFailedError, match=r"out\[7\]: not acknowledged"):
                await writer.produce([Out(topic, 0, b"k", b"v"), Out(topic, 7, b"k", b"v")])

    _run(check)


def test_a_clock_that_is_hours_ahead_is_named(broker: Broker, topics: Topics) -> None:
    """Kafka 4 refuses such records; whoever runs the worker must not have to guess why."""
    if broker.kind == "embedded":
        pytest.skip("the embedded broker takes any timestamp")
    topic, ahead = topics.create("out", 1), int((time.time() + 2 * 3_600) * 1000)

    async def check() -> None:
        async with _table(broker, topic) as (_, writer):
            with pytest.raises(WriterFailedError, match="set the clock of this machine"):
                await writer.produce([Out(topic, 0, b"k", b"v", ahead)])

    _run(check)


def test_keys_go_where_javas_clients_put_them() -> None:
    # From Apache Kafka's UtilsTest.testMurmur2: hash of the bytes, as a signed 32 bit number.
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, hashed in known.items():
        assert partition_for(key, 12) == (hashed & 0x7FFFFFFF) % 12


def test_the_probe_tells_the_broker_apart(broker: Broker) -> None:
    flavour = asyncio.run(probe(broker.bootstrap))
    assert flavour.idempotent == broker.idempotence
    assert flavour.session_timeout_s == broker.session_timeout
