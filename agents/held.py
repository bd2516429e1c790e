"""What is held of all leads right now, read from `lead.state` beside the workers: nothing is written, no group is joined."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from agents.reading import read_topics
from agents.settings import Settings
from agents.table import BARRIER_KEY
from schemas import topics
from streams.features import DAY, Floats, Rows
from streams.labels import Label
from streams.partition import Partition
from streams.state import decode_record
from streams.vector import NAMES, vectors

PIECE = 20_000


class Held(NamedTuple):
    """Leads that could be judged now: features, and the probability that was last published."""

    x: Floats
    published: Floats


async def held(settings: Settings, label: Label) -> Held:
    """Those that are alive by a label. Raises Unavailable where there is no such topic."""
    partitions: dict[int, Partition] = {}
    pieces: dict[int, list[tuple[bytes, bytes | None, int]]] = defaultdict(list)

    def restore(number: int) -> None:
        partitions.setdefault(number, Partition(number)).restore(pieces.pop(number))

    async for record in read_topics(settings.bootstrap, [settings.topic_prefix + topics.STATE.name]):
        if record.key and record.key != BARRIER_KEY:
            pieces[record.partition].append((record.key, record.value, record.offset))
            if len(pieces[record.partition]) >= PIECE:
                restore(record.partition)
    for number in list(pieces):
        restore(number)
    return held_in(partitions.values(), label)


def held_in(partitions: Iterable[Partition], label: Label) -> Held:
    """Those that are alive by a label; a partition may hold nobody."""
    found = [_alive(partition, label) for partition in partitions]
    x = [np.zeros((0, len(NAMES))), *(vectors(rows, np.full(len(rows), now)) for rows, now in found)]
    published = [np.zeros(0), *(rows["published"].astype(np.float64) for rows, _ in found)]
    return Held(np.concatenate(x), np.concatenate(published))


def _alive(partition: Partition, label: Label) -> tuple[Rows, float]:
    table, now = partition.table, partition.state.now
    gone = {row for row, data in partition.records.items() if (one := decode_record(data)).closed or one.gone}
    some = np.array([row for row in table.index.values() if row not in gone], np.int64)
    rows = table.at(some)
    last = rows["last_key"]
    alive = (last > 0) if label.eligible_days is None else last >= now - label.eligible_days * DAY
    return rows[alive & (rows["seq"] > 0)], now
