"""Every topic of a run, read as it grows by one reader without a group."""

import json
from collections.abc import Iterable
from typing import Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from schemas import topics
from schemas.ledger import LedgerState
from streams.state import PARTITION_KEY, decode_partition

BARRIER = b"\x00barrier"

ENDED = {s.value for s in LedgerState} - {LedgerState.CLAIMED, LedgerState.RETRY_AT, LedgerState.IN_DOUBT}


class Logs:
    """What the broker holds, by topic.

    Attributes:
        records: All records by topic, without the prefix.
        ledger: The newest ledger entry of each command, by id.
        commands: Ids of the commands of each channel.
    """

    def __init__(self, bootstrap: str, prefix: str, partitions: int, *, committed: bool) -> None:
        """`committed`: read only what was committed, on a broker that knows the difference."""
        self._bootstrap, self._prefix, self._partitions = bootstrap, prefix, partitions
        self._isolation = "read_committed" if committed else "read_uncommitted"
        self._written = [t.name for t in (*topics.LEAD_AGENT_WRITES, topics.EVENTS_DLQ)]
        names = [topics.EVENTS.name, topics.STATE.name, topics.LEDGER.name, *self._written]
        self.records: dict[str, list[ConsumerRecord]] = {name: [] for name in names}
        self.ledger: dict[str, dict[str, object]] = {}
        self.commands: dict[str, set[str]] = {}
        self._ends = dict.fromkeys(range(partitions), -1)
        self._applied = dict.fromkeys(range(partitions), -1)

    async def __aenter__(self) -> Self:
        self._reader = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=40,
            request_timeout_ms=120_000,
            isolation_level=self._isolation,
        )
        await self._reader.start()
        tps = [TopicPartition(self._prefix + name, n) for name in self.records for n in range(self._partitions)]
        self._reader.assign(tps)
        await self._reader.seek_to_beginning(*tps)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reader.stop()

    def __getitem__(self, topic: topics.Topic) -> list[ConsumerRecord]:
        return self.records[topic.name]

    @property
    def outputs(self) -> list[ConsumerRecord]:
        """Everything the lead agents wrote; without the marks by which readers of whole topics know that they are at the end."""
        return [r for name in self._written for r in self.records[name] if r.key != BARRIER]

    async def begun(self) -> bool:
        """Something was applied on every partition."""
        await self._read()
        return min(self._applied.values()) >= 0

    async def settled(self, channels: Iterable[str]) -> bool:
        """Everything in the inbox is applied, every command of these channels has ended, nothing moved for a moment."""
        if await self._read():
            return False  # what came last may have led to something that was not read before it
        return not self.left(channels)

    def left(self, channels: Iterable[str]) -> int:
        """Records that are not applied, and commands of these channels that have not ended, as far as was read."""
        behind = sum(max(end - self._applied[n], 0) for n, end in self._ends.items())
        return behind + sum(len(self.unfinished(channel)) for channel in channels)

    def tried_again(self) -> int:
        """Commands that a provider was asked about more than once, or that it is in doubt about."""
        return sum(int(str(e["attempt"])) > 1 or int(str(e["in_doubt_resends"])) > 0 for e in self.ledger.values())

    def unfinished(self, channel: str) -> set[str]:
        """Commands of a channel that have not ended."""
        return {i for i in self.commands.get(channel, ()) if self.ledger.get(i, {}).get("state") not in ENDED}

    async def _read(self) -> int:
        """Read what is there; returns how many records were new."""
        new = 0
        while fetched := await self._reader.getmany(timeout_ms=300):
            for tp, batch in fetched.items():
                name = tp.topic.removeprefix(self._prefix)
                self.records[name].extend(batch)
                new += len(batch)
                self._note(name, tp.partition, batch)
        return new

    def _note(self, name: str, partition: int, batch: list[ConsumerRecord]) -> None:
        if name == topics.EVENTS.name:
            self._ends[partition] = batch[-1].offset
        elif name == topics.STATE.name:
            marks = [decode_partition(r.value).applied for r in batch if r.key == PARTITION_KEY]
            self._applied[partition] = max([self._applied[partition], *marks])
        elif name == topics.LEDGER.name:
            self.ledger.update({r.key.decode(): json.loads(r.value) for r in batch if r.value})
        elif name.startswith("interventions."):
            bodies = [json.loads(r.value) for r in batch]
            ids = {body["id"] for body in bodies if body["type"] == "deliver_intervention"}
            self.commands.setdefault(name.partition(".")[2], set()).update(ids)
