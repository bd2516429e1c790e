"""The short fault test: the whole product under kill -9, pauses and a Redis that goes away, against the sequential oracle."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from redis.asyncio import Redis

from agents.channels.in_app import read as read_in_app
from agents.topics import create
from agents.writer import Writer
from schemas import topics
from schemas.ledger import LedgerState
from streams.state import PARTITION_KEY, decode_partition
from tests.brokers import Broker
from tests.faults.traffic import traffic
from tests.faults.verdict import Verdict, judge, oracle
from tests.faults.world import World
from tests.polling import eventually_async

PARTITIONS = 4
EVENTS = 20_000
LEADS = 400
SEED = 20_260_302
KILLS, PAUSES = 6, 2
DROPS = f"drop-fetches:{SEED}"
ENDED = {s.value for s in LedgerState} - {LedgerState.CLAIMED, LedgerState.RETRY_AT, LedgerState.IN_DOUBT}


class Logs:
    """Every topic of the run, read as it grows by one reader without a group."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._bootstrap, self._prefix = bootstrap, prefix
        self._written = [t.name for t in (*topics.LEAD_AGENT_WRITES, topics.EVENTS_DLQ)]
        names = [topics.EVENTS.name, topics.STATE.name, topics.LEDGER.name, *self._written]
        self.records: dict[str, list[ConsumerRecord]] = {name: [] for name in names}

    async def __aenter__(self) -> Self:
        self._reader = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=40,
            request_timeout_ms=120_000,
        )
        await self._reader.start()
        tps = [TopicPartition(self._prefix + name, n) for name in self.records for n in range(PARTITIONS)]
        self._reader.assign(tps)
        await self._reader.seek_to_beginning(*tps)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reader.stop()

    def __getitem__(self, topic: topics.Topic) -> list[ConsumerRecord]:
        return self.records[topic.name]

    async def _read(self) -> int:
        """Read what is there; returns how many records were new."""
        new = 0
        while fetched := await self._reader.getmany(timeout_ms=300):
            for tp, batch in fetched.items():
                self.records[tp.topic.removeprefix(self._prefix)].extend(batch)
                new += len(batch)
        return new

    @property
    def outputs(self) -> list[ConsumerRecord]:
        """Everything the lead agents wrote."""
        return [r for name in self._written for r in self.records[name]]

    async def settled(self, channels: Iterable[str]) -> bool:
        """Everything in the inbox is applied, every command of these channels has ended, nothing moved for a moment."""
        if await self._read():
            return False  # what came last may have led to something that was not read before it
        ends = Counter(dict.fromkeys(range(PARTITIONS), -1))
        for record in self[topics.EVENTS]:
            ends[record.partition] = max(ends[record.partition], record.offset)
        applied = dict.fromkeys(range(PARTITIONS), -1)
        for record in self[topics.STATE]:
            if record.key == PARTITION_KEY:
                applied[record.partition] = max(applied[record.partition], decode_partition(record.value).applied)
        return all(applied[n] >= ends[n] for n in applied) and not self.unfinished(channels)

    def ledger(self) -> dict[str, dict[str, object]]:
        """Newest entry of each command."""
        return {r.key.decode(): json.loads(r.value) for r in self[topics.LEDGER] if r.value}

    def commands(self, channel: str) -> set[str]:
        """Ids of the commands of a channel."""
        found = (json.loads(r.value) for r in self.records[f"interventions.{channel}"])
        return {body["id"] for body in found if body["type"] == "deliver_intervention"}

    def unfinished(self, channels: Iterable[str]) -> set[str]:
        """Commands of these channels that have not ended."""
        ledger = self.ledger()
        wanted = set().union(*map(self.commands, channels))
        return {i for i in wanted if ledger.get(i, {}).get("state") not in ENDED}


async def feed(writer: Writer, prefix: str, world: World, run: "Run") -> None:
    """Send the traffic over some seconds while the faults strike, at moments that the seed chooses."""
    chance = random.Random(SEED)
    pieces = list(traffic(prefix, PARTITIONS, events=run.events, leads=LEADS, seed=SEED))
    faults = list(run.faults)
    chance.shuffle(faults)
    when = dict(zip(sorted(chance.sample(range(5, len(pieces) - 5), len(faults))), faults, strict=True))
    loop = asyncio.get_running_loop()
    began, asleep = loop.time(), []  # type: tuple[float, list[tuple[float, str]]]
    for i, piece in enumerate(pieces):
        await writer.produce(piece)
        world.replace_dead()
        match when.get(i):
            case "kill":
                world.kill(chance)
            case "pause":
                asleep.append((loop.time() + 2 * world.session_s, world.pause(chance)))
            case "redis":
                world.stop_redis()
                asleep.append((loop.time() + 4, "redis"))
        for due in [a for a in asleep if a[0] <= loop.time()]:
            asleep.remove(due)
            _restore(world, due[1])
        await asyncio.sleep(max(0.0, began + run.seconds * i / len(pieces) - loop.time()))  # the pace of the traffic
    for due in sorted(asleep):
        await asyncio.sleep(max(0.0, due[0] - loop.time()))  # the rest of the pause is part of the fault
        _restore(world, due[1])


def _restore(world: World, name: str) -> None:
    if name == "redis":
        world.start_redis()
    else:
        world.wake(name)


@dataclass(frozen=True)
class Run:
    """One run: how much traffic, which faults."""

    events: int = EVENTS
    seconds: float = 45.0
    faults: tuple[str, ...] = ("kill",) * KILLS + ("pause",) * PAUSES + ("redis",)
    troubles: tuple[str, ...] = (DROPS,)
    couriers: tuple[str, ...] = ("email", "in_app")
    patience_s: float = 240.0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_doubled(broker: Broker, tmp_path: Path) -> None:
    """Six kills, two pauses, a lost Redis, and fetched records that get lost: what is left is what the oracle leaves."""
    settled, verdict = asyncio.run(_run(broker, tmp_path, Run()))
    assert settled, "not everything was applied, or some command never ended"
    assert verdict.clean, verdict


SHORT = Run(events=6_000, seconds=10.0, faults=(), troubles=(), couriers=(), patience_s=60.0)
STOCK = "stock-consumer"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_fausts_own_consumer_does_the_job_as_long_as_nothing_goes_wrong(broker: Broker, tmp_path: Path) -> None:
    """The control: it is the faults that tell lane and stock consumer apart, not the way the stock one is used."""
    settled, verdict = asyncio.run(_run(broker, tmp_path, replace(SHORT, troubles=(STOCK,))))
    assert settled
    assert verdict.clean, verdict


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_fausts_own_consumer_loses_what_the_lane_fetches_again(broker: Broker, tmp_path: Path) -> None:
    """The short fault test is red without the lane: the same lost fetches, the same kills, and records are gone for good."""
    run = replace(SHORT, troubles=(STOCK, DROPS), faults=("kill",) * 2)
    settled, verdict = asyncio.run(_run(broker, tmp_path, run))
    assert settled, "judged before everything was applied, a record that is only late would look lost"
    assert verdict.missing, verdict
    assert verdict.wrong_states, verdict


async def _run(broker: Broker, folder: Path, run: Run) -> tuple[bool, Verdict]:
    prefix = f"faults-{folder.name}."
    await create(broker.bootstrap, prefix, PARTITIONS, 1, event_time=True)
    writer = Writer(broker.bootstrap, idempotent=broker.idempotence)
    await writer.start()
    try:
        async with Logs(broker.bootstrap, prefix) as logs:
            with World(
                folder, broker.bootstrap, prefix, broker.session_timeout, troubles=run.troubles, couriers=run.couriers
            ) as world:
                await feed(writer, prefix, world, run)

                async def ended() -> bool:
                    world.replace_dead()
                    return await logs.settled(run.couriers)

                try:
                    await eventually_async(
                        ended, timeout=run.patience_s, what="everything applied, every command ended"
                    )
                    settled = True
                except AssertionError:
                    settled = False
                in_app = await in_app_ids(world.redis_url)
            truth = oracle(logs[topics.EVENTS], PARTITIONS)
            verdict = judge(truth, logs.outputs, logs[topics.STATE], prefix)
            records = len(logs[topics.EVENTS])
            dropped = world.dropped()
            done = ", ".join([*world.done, f"{dropped} fetched and dropped"])
            print(f"{records} records; {done}; exits {dict(world.exits)}; settled {settled}")  # noqa: T201
            print(verdict)  # noqa: T201
            assert bool(dropped) == (DROPS in run.troubles)
            if settled and verdict.clean and run.couriers:
                _check_provider_calls(logs, world.mails(), in_app)
            return settled, verdict
    finally:
        await writer.stop()


def _check_provider_calls(logs: Logs, mails: Counter[str], in_app: Counter[str]) -> None:
    """Each command reached its provider once; a mail whose fate was in doubt at most twice, and the ledger says so."""
    ledger = logs.ledger()
    sent = {i for i, entry in ledger.items() if entry["state"] == "sent"}
    doubted = {i for i, entry in ledger.items() if entry["in_doubt_resends"]}
    emails = sent & logs.commands("email")
    assert emails, "no mail was sent at all: the traffic does not test the couriers"
    assert {i for i in emails if not mails[i]} == set()
    assert {i: n for i, n in mails.items() if n > (2 if i in doubted else 1)} == {}
    assert set(mails) <= logs.commands("email")
    # Redis was emptied on the way, so messages from before its end may be gone; none may be there twice.
    assert all(n == 1 for n in in_app.values())
    assert set(in_app) <= logs.commands("in_app")


async def in_app_ids(url: str) -> Counter[str]:
    """In-app messages by intervention id."""
    async with Redis.from_url(url) as redis:
        found: Counter[str] = Counter()
        for n in range(LEADS):
            found.update(m["id"] for m in await read_in_app(redis, "acme", f"lead-{n}"))
        return found
