"""`lead.state` as a whole: what the workers know of every lead, for those who hold it against something else."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from agents.reading import read_topics
from agents.settings import Settings
from agents.table import BARRIER_KEY
from schemas import topics
from streams.features import ROW, Rows
from streams.state import PARTITION_KEY, decode_lead, decode_partition


class State(NamedTuple):
    """Rows of the leads by key, and of each partition how far its time has come (epoch seconds)."""

    rows: dict[bytes, Rows]
    now: dict[bytes, float]


async def read_state(settings: Settings) -> State:
    """All leads of whom anything was heard.

    Raises:
        Unavailable: the topic does not exist.
        StateUnreadable: it was written by another version of this program.
    """
    values: dict[bytes, tuple[int, bytes]] = {}
    now: dict[int, float] = defaultdict(float)
    async for record in read_topics(settings.bootstrap, [settings.topic_prefix + topics.STATE.name]):
        if not record.key or record.key == BARRIER_KEY:
            continue
        if record.key == PARTITION_KEY:
            now[record.partition] = decode_partition(record.value).now if record.value else 0.0
        elif record.value:
            values[record.key] = record.partition, record.value
        else:
            values.pop(record.key, None)
    rows = {key: np.array([decode_lead(value)[0]], ROW) for key, (_, value) in values.items()}
    heard = {key: row for key, row in rows.items() if row["events"][0] > 0}
    return State(heard, {key: max(now[values[key][0]], float(row["last"][0])) for key, row in heard.items()})
