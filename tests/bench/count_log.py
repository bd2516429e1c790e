"""The log of the count job: filled once per size, folded in columns for the truth, and read back to verify an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from agents.writer import Out, Writer, partition_for
from tests.bench.logs import records
from tests.broker.count_job import event
from tests.brokers import Broker, Topics

PARTITIONS = 4
SEED = 20261121
_PIECE = 4_000

Count = tuple[int, int]  # events, total
Reads = Callable[[bytes, bytes | None], tuple[bytes, Count] | None]


class CountLog(NamedTuple):
    """A filled inbox and what has to come out.

    Attributes:
        topic: Full name of the inbox.
        events: How many.
        truth: Per key, how many events and the sum of their ``n``.
    """

    topic: str
    events: int
    truth: dict[bytes, Count]


async def fill(broker: Broker, topics: Topics, events: int, distinct: int = 1_000) -> CountLog:
    """Create an inbox and write the events, drawn evenly over so many `distinct` keys."""
    topic = topics.create(f"inbox-{events}", PARTITIONS)
    chance = np.random.default_rng(SEED)
    keys, ns = chance.integers(0, distinct, events), chance.integers(0, 100, events)
    names = [f"key-{number}" for number in range(distinct)]
    places = [partition_for(name.encode(), PARTITIONS) for name in names]
    made = lru_cache(maxsize=200_000)(event)

    def piece(start: int) -> Iterator[Out]:
        for key, n in zip(keys[start : start + _PIECE].tolist(), ns[start : start + _PIECE].tolist(), strict=True):
            yield Out(topic, places[key], names[key].encode(), made(names[key], n))

    writer = Writer(broker.bootstrap, idempotent=broker.idempotence)
    await writer.start()
    for start in range(0, events, _PIECE):
        await writer.produce(piece(start))
    await writer.stop()
    each = np.bincount(keys, minlength=distinct).tolist()
    totals = np.bincount(keys, weights=ns, minlength=distinct).astype(int).tolist()
    return CountLog(topic, events, {names[k].encode(): (each[k], totals[k]) for k in range(distinct) if each[k]})


async def verify(bootstrap: str, log: CountLog, outputs: str, changelog: str, reads: Reads) -> str:
    """Compare what an engine left with the truth; return what is wrong, or nothing.

    Each event must have one output, in the order of its key, ending with the true count; and the last record of each
    key on the changelog must hold the true count. Reads only what is committed.

    Args:
        bootstrap: Where.
        log: What went in.
        outputs: Topic of the outputs: value ``…events:total``.
        changelog: Topic of the state.
        reads: Key and value of a changelog record to key and count; None = none of the job's own records.
    """
    seen: dict[bytes, Count] = {}
    repeated = 0
    async for key, value in records(bootstrap, outputs):
        *_, events, total = map(int, (value or b"").split(b":"))
        if key is None or events != seen.get(key, (0, 0))[0] + 1:
            repeated += 1
        seen[key or b""] = (events, total)
    if repeated:
        return f"{repeated:,} outputs do not follow the one before of their key"
    if wrong := _differences(seen, log.truth):
        return f"{wrong:,} keys end with wrong outputs"
    state: dict[bytes, Count] = {}
    async for key, value in records(bootstrap, changelog):
        if (found := reads(key or b"", value)) is not None:
            state[found[0]] = found[1]
    wrong = _differences(state, log.truth)
    return f"{wrong:,} keys have wrong counts on the changelog" if wrong else ""


def _differences(found: dict[bytes, Count], truth: dict[bytes, Count]) -> int:
    return sum(found.get(key) != truth.get(key) for key in found.keys() | truth.keys())
