"""Lets a challenger score in shadow: beside the workers, from the state they write, onto a topic from which nothing follows.

It reads `lead.state`, which has every lead's row as the fold left it, and scores the rows that change; and all rows, as they
are then, each time another six hours of stream time have passed, for the silent ones. It joins no group and writes to
`lead.shadow` only, so it can cause nothing, and the lead agent neither knows nor pays.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from agents import metrics
from agents.broker import probe
from agents.settings import Settings
from agents.table import BARRIER_KEY
from agents.writer import Out, Writer
from schemas import topics
from schemas.shadow import ShadowScored
from streams.features import HOUR, Floats, Ints, lead_of
from streams.ids import derive
from streams.partition import Partition
from streams.risk import Scorer
from streams.state import PARTITION_KEY
from streams.vector import vectors

logger = logging.getLogger(__name__)
LEAST_CHANGE = 0.02
"""Of a probability, to be worth a record: as assessments have it unless a policy says otherwise."""
SWEEP_S = 6 * HOUR
"""Stream time between two looks at all leads; the grade looks once a day."""
PIECE = 4_096
"""Rows scored and written at once."""


class Followed:
    """One partition of `lead.state`, and what the challenger has said of its leads."""

    def __init__(self, number: int, scorer: Scorer) -> None:
        """Nothing is known yet."""
        self._partition, self._scorer = Partition(number), scorer
        self._said: Floats = np.zeros(0)
        self._swept = -np.inf

    @property
    def now(self) -> float:
        """Stream time."""
        return self._partition.state.now

    def take(self, records: Sequence[ConsumerRecord], *, quietly: bool) -> Ints:
        """Apply records of the changelog; returns the rows to score: none while it catches up (`quietly`)."""
        known = [(r.key, r.value, r.offset) for r in records if r.key and r.key != BARRIER_KEY]
        index = self._partition.table.index
        for key, value, _ in known:
            if value is None and key in index and index[key] < len(self._said):
                self._said[index[key]] = np.nan  # the row will be another lead's
        self._partition.restore(known)
        if quietly:
            return np.zeros(0, np.int64)
        if self.now - self._swept >= SWEEP_S:
            self._swept = self.now
            return np.array(sorted(index.values()), np.int64)
        changed = {index[key] for key, value, _ in known if value and key != PARTITION_KEY and key in index}
        return np.array(sorted(changed), np.int64)

    def score(self, rows: Ints) -> list[ShadowScored]:
        """What is worth saying of some rows."""
        table = self._partition.table
        held = table.at(rows)
        heard = held["events"] > 0
        rows, held = rows[heard], held[heard]
        if len(self._said) < len(table.keys):
            self._said = np.concatenate([self._said, np.full(len(table.keys) - len(self._said), np.nan)])
        p = self._scorer.score(vectors(held, np.maximum(self.now, held["last"])))
        worth = ~(np.abs(p - self._said[rows]) < LEAST_CHANGE)
        self._said[rows[worth]] = p[worth]
        at, version = datetime.fromtimestamp(self.now, UTC), self._scorer.version
        found = []
        for row, risk, champion in zip(
            rows[worth].tolist(), p[worth].tolist(), held["published"][worth].tolist(), strict=True
        ):
            tenant, lead = lead_of(table.keys[row] or b"")
            found.append(
                ShadowScored(
                    id=derive("shd", version, tenant, lead, at.isoformat()),
                    tenant=tenant,
                    lead=lead,
                    at=at,
                    probability=risk,
                    model_version=version,
                    champion=champion,
                )
            )
        return found


async def shadow(settings: Settings, scorer: Scorer) -> None:
    """Follow and score until cancelled."""
    flavour = await probe(settings.bootstrap)
    topic = settings.topic_prefix + topics.STATE.name
    writer = Writer(settings.bootstrap, idempotent=flavour.idempotent, client_id="shadow")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=flavour.fetch_max_wait_ms,
        max_partition_fetch_bytes=4 << 20,
        isolation_level=flavour.isolation,
    )
    await writer.start()
    await consumer.start()
    try:
        await consumer.topics()
        await consumer._client.add_topic(topic)  # noqa: SLF001 - aiokafka knows partitions only of topics it follows
        tps = [TopicPartition(topic, n) for n in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        followed = {tp: Followed(tp.partition, scorer) for tp in tps}
        behind = {tp for tp in tps if ends[tp] > 0}
        while True:
            fetched = await consumer.getmany(timeout_ms=500, max_records=20_000)
            for tp in list(behind):
                if await consumer.position(tp) >= ends[tp]:
                    behind.discard(tp)
            for tp, records in fetched.items():
                one = followed[tp]
                rows = await asyncio.to_thread(one.take, records, quietly=tp in behind)
                for at in range(0, len(rows), PIECE):
                    said = await asyncio.to_thread(one.score, rows[at : at + PIECE])
                    await _write(writer, settings, tp.partition, said)
            metrics.SHADOW_TIME.set(min((one.now for tp, one in followed.items() if tp not in behind), default=0.0))
    finally:
        await consumer.stop()
        await writer.stop()


async def _write(writer: Writer, settings: Settings, partition: int, said: Sequence[ShadowScored]) -> None:
    if not said:
        return
    topic = settings.topic_prefix + topics.SHADOW.name
    await writer.produce(
        Out(
            topic,
            partition,
            f"{one.tenant}:{one.lead}".encode(),
            one.model_dump_json().encode(),
            round(one.at.timestamp() * 1000),
        )
        for one in said
    )
    metrics.SHADOWED.inc(len(said))
