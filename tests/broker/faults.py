"""Worker processes under fire: killed, paused, replaced; and the comparison of what they left with an oracle."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from agents.writer import Out, Writer, partition_for
from tests.broker.count_job import Output, Partition, event
from tests.polling import eventually_async


class Workers:
    """Some processes of one command; one that ends is replaced, as a supervisor would.

    Attributes:
        exits: How often each exit status was seen; negative = ended by that signal.
    """

    def __init__(self, command: Sequence[str], count: int, log: Path) -> None:
        """Start ``count`` processes whose output goes to ``log``."""
        self._command, self._log = command, log.open("ab")
        self._alive = [self._spawn() for _ in range(count)]
        self.exits: Counter[int] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Ask all to stop and wait; what does not stop is killed."""
        for worker in self._alive:
            worker.terminate()
        for worker in self._alive:
            try:
                self.exits[worker.wait(30)] += 1
            except subprocess.TimeoutExpired:
                worker.kill()
                self.exits[worker.wait()] += 1
        self._log.close()

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, *self._command], stdout=self._log, stderr=self._log)

    def replace_dead(self) -> None:
        """Start a new process for each that ended."""
        for index, worker in enumerate(self._alive):
            if (status := worker.poll()) is not None:
                self.exits[status] += 1
                self._alive[index] = self._spawn()

    def kill(self, chance: random.Random) -> None:
        """Kill one without warning."""
        worker = chance.choice(self._alive)
        worker.kill()
        worker.wait()
        self.replace_dead()

    async def stop(self) -> None:
        """Stop all in good order; ``replace_dead`` starts others."""
        for worker in self._alive:
            worker.terminate()
            await asyncio.to_thread(worker.wait, 30)

    async def pause(self, chance: random.Random, seconds: float) -> None:
        """Stop one in its tracks, longer than its session lives, then let it wake up."""
        worker = chance.choice(self._alive)
        worker.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)  # the pause is the fault
        worker.send_signal(signal.SIGCONT)


@dataclass
class Log:
    """All records of a topic, read from its start without a group."""

    bootstrap: str
    topic: str
    partitions: int
    records: list[ConsumerRecord] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._reader = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=40,
        )
        await self._reader.start()
        tps = [TopicPartition(self.topic, number) for number in range(self.partitions)]
        self._reader.assign(tps)
        await self._reader.seek_to_beginning(*tps)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reader.stop()

    async def read(self, wait_ms: int = 200) -> int:
        """Read what is there; return how many records were new."""
        fetched = await self._reader.getmany(timeout_ms=wait_ms)
        new = [record for batch in fetched.values() for record in batch]
        self.records += new
        return len(new)

    def states(self) -> dict[int, Partition]:
        """Return the state that these changelog records make, by the count job's own rules, barriers left out."""
        states = {number: Partition() for number in range(self.partitions)}
        for record in self.records:
            if record.key is not None and not record.key.startswith(b"\x00"):
                states[record.partition].apply(record.key, record.value, record.offset)
        return states


States = dict[int, dict[bytes, tuple[int, int]]]  # partition -> key -> (events, total)


@dataclass(frozen=True)
class Verdict:
    """How a run differs from the oracle: all zero but ``repeats`` for an engine that keeps its promise.

    Attributes:
        lost: Events without any output.
        wrong: Outputs that say something else than the oracle's.
        wrong_states: Keys whose final state differs.
        repeats: Outputs that came again, the same to the byte.
    """

    lost: int
    wrong: int
    wrong_states: int
    repeats: int


def compare(events: Iterable[ConsumerRecord], outputs: Iterable[tuple[bytes, bytes]], states: States) -> Verdict:
    """Fold the input log in memory and count the differences.

    Args:
        events: The whole input log.
        outputs: (key, value) of every output found.
        states: Per partition and key, (events, total) as found.
    """
    oracle: dict[int, Partition] = {number: Partition() for number in states}
    wanted: set[Output] = set()
    for record in sorted(events, key=lambda r: (r.partition, r.offset)):
        made, _ = oracle[record.partition].fold([record])
        wanted.update(made)
    found = Counter(outputs)
    wrong_states = 0
    for number, partition in oracle.items():
        truth = {key: count[:2] for key, count in partition.counts.items()}
        wrong_states += sum(truth.get(key) != states[number].get(key) for key in truth.keys() | states[number].keys())
    return Verdict(
        lost=len(set(map(_event_of, wanted)) - set(map(_event_of, found))),
        wrong=len(found.keys() - wanted),
        wrong_states=wrong_states,
        repeats=sum(found.values()) - len(found),
    )


def _event_of(output: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    key, value = output
    return key, value.partition(b":")[0]


def plain(states: dict[int, Partition]) -> States:
    """Leave the guards out of the count job's states."""
    return {number: {key: count[:2] for key, count in partition.counts.items()} for number, partition in states.items()}


async def traffic(writer: Writer, topic: str, partitions: int, *, number: int, seconds: float, keys: int = 200) -> None:
    """Write ``number`` events, spread evenly over some seconds."""
    names = [f"lead-{index}" for index in range(keys)]
    places = [partition_for(name.encode(), partitions) for name in names]
    steps = max(1, int(seconds * 20))
    loop = asyncio.get_running_loop()
    began, sent = loop.time(), 0
    for step in range(1, steps + 1):
        until = number * step // steps
        chosen = ((i, places[i % keys], names[i % keys]) for i in range(sent, until))
        await writer.produce(Out(topic, place, name.encode(), event(name, i)) for i, place, name in chosen)
        sent = until
        await asyncio.sleep(max(0.0, began + seconds * step / steps - loop.time()))  # the pace of the traffic


async def nemesis(workers: Workers, seed: int, *, kills: int, pauses: int, pause_s: float, every_s: float) -> None:
    """Do the faults in a seeded order, some time apart."""
    chance = random.Random(seed)
    plan = ["kill"] * kills + ["pause"] * pauses
    chance.shuffle(plan)
    for fault in plan:
        await asyncio.sleep(chance.uniform(0.5, 1.5) * every_s)  # when faults strike is part of the seed
        workers.replace_dead()
        if fault == "kill":
            workers.kill(chance)
        else:
            await workers.pause(chance, pause_s)
    workers.replace_dead()


async def applied(log: Log, total: int, workers: Workers, timeout: float = 120) -> None:
    """Wait until the changelog says that every event was applied."""

    async def all_applied() -> bool:
        workers.replace_dead()
        await log.read()
        return sum(partition.applied for partition in log.states().values()) >= total

    await eventually_async(all_applied, timeout=timeout, what=f"{total} events applied")
