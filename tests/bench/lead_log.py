"""A world of leads for the benches of the product: state of N leads on the changelog, and an inbox full of events.

The state is what the product's own fold makes of one event a lead, so a worker that starts on it holds N leads. It is
written with the log's epoch 0; the inbox begins epoch 1, as after a recreated topic.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from agents import topics as admin
from agents.writer import Out, Writer, partition_for
from schemas import topics
from streams.lead import EPOCH_BITS, Message, Partition, fold
from streams.state import PARTITION_KEY, decode_lead
from tests.bench.lead_traffic import SEED, Event, records, skewed
from tests.bench.model import scoring
from tests.brokers import Broker

DAY = 86_400.0
HISTORY_DAYS = 20.0
"""The first event of each lead lies up to this long before the inbox begins."""
INBOX_DAYS = 5.0
EPOCH = 1
_PIECE = 5_000

T = TypeVar("T")


@dataclass(frozen=True)
class LeadLog:
    """What a worker will find; laid out under a new prefix for every run.

    Attributes:
        leads: Leads held at the start.
        events: Events in the inbox.
        partitions: Of every topic.
        size: Bytes of an event, about.
        models: Folder of the model and the policy.
        now: Epoch seconds; the last event is this old.
    """

    leads: int
    events: int
    partitions: int
    size: int
    models: Path
    now: float

    @cached_property
    def state(self) -> list[list[tuple[bytes, bytes | None]]]:
        """Changelog records per partition."""
        everyone = np.random.default_rng(SEED).permutation(self.leads)
        begin = self.now - INBOX_DAYS * DAY
        made = records(everyone, begin - HISTORY_DAYS * DAY, begin, size=self.size, serial=0)
        env = scoring(self.models)
        found = [Partition(number) for number in range(self.partitions)]
        offsets = [0] * self.partitions
        written: list[dict[bytes, bytes | None]] = [{} for _ in found]
        for piece in pieces(made):
            rounds: list[list[Message]] = [[] for _ in found]
            for event in piece:
                number = partition_for(event.key, self.partitions)
                rounds[number].append(Message(offsets[number], int(self.now * 1000), event.key, event.value))
                offsets[number] += 1
            for number, messages in enumerate(rounds):
                fold(found[number], messages, env)
                leads, last = found[number].changes()
                written[number].update(chain(leads, last))
        return [list(each.items()) for each in written]

    @cached_property
    def inbox(self) -> list[tuple[int, Event]]:
        """Partition and record of each event, in order."""
        who = skewed(np.random.default_rng([SEED, 1]), self.leads, self.events)
        made = records(who, self.now - INBOX_DAYS * DAY, self.now, size=self.size, serial=1 << 32)
        return [(partition_for(event.key, self.partitions), event) for event in made]

    def truth(self, number: int) -> dict[str, float]:
        """Return cause and probability of each assessment that the fold makes of a partition's inbox."""
        partition = Partition(number)
        partition.restore((key, value, 0) for key, value in self.state[number])
        env, base = scoring(self.models), EPOCH << EPOCH_BITS
        here = [event for home, event in self.inbox if home == number]
        stamp = int(self.now * 1000)
        messages = (Message(base + offset, stamp, *event) for offset, event in enumerate(here))
        said = chain.from_iterable(fold(partition, piece, env).outputs for piece in pieces(messages))
        made = (json.loads(out.value or b"") for out in said if out.topic == topics.ASSESSMENTS.name)
        return {assessed["cause"]: assessed["probability"] for assessed in made}

    def rows(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Give partition, key and row of each lead, for an engine with a changelog of another form."""
        for number, leads in enumerate(self.state):
            for key, value in leads:
                if key != PARTITION_KEY:
                    yield number, key, decode_lead(value or b"")[0].tobytes()

    async def lay(self, broker: Broker) -> str:
        """Create the topics, write state and inbox; return the prefix."""
        prefix = f"bench-{uuid.uuid4().hex[:8]}."
        await admin.create(broker.bootstrap, prefix, self.partitions, 1, event_time=False)
        writer = Writer(broker.bootstrap, idempotent=broker.idempotence)
        await writer.start()
        state, inbox = prefix + topics.STATE.name, prefix + topics.EVENTS.name
        for number, leads in enumerate(self.state):
            for piece in pieces(leads):
                await writer.produce(Out(state, number, key, value) for key, value in piece)
        for events in pieces(self.inbox):
            await writer.produce(Out(inbox, number, event.key, event.value) for number, event in events)
        await writer.stop()
        return prefix


def now() -> float:
    """Return the time by which a log is dated: a minute ago, so that no event lies in the future of its record."""
    return time.time() - 60.0


def pieces(items: Iterable[T]) -> Iterator[list[T]]:
    """Cut into lists of a size that suits a write."""
    iterator = iter(items)
    while piece := list(islice(iterator, _PIECE)):
        yield piece
