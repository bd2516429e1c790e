"""Fetched records that get lost on their way to the application, as happens around rebalances (reliability: law 1).

aiokafka moves the position of a partition when it hands records over. Whatever then drops them (Faust does, while its flow
is suspended) leaves a gap: nobody asks for those records again unless somebody notices. Here a group member's fetches are
dropped on purpose, in the one function through which both the lane and Faust's own consumer get their records.
"""

import random
import sys
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer.fetcher import Fetcher

FRESH_FETCHES, FRESH_SHARE = 2, 0.5
"""Of the first fetches of a partition after an assignment, so many are lost with this probability."""
SHARE = 0.03
"""Later ones are lost now and then."""
SAID = "fetched and dropped"


def drop_fetches(seed: str) -> None:
    """From now on lose some of what this process fetches as a member of a group; the seed says what."""
    chance = random.Random(seed)
    fetched_records = Fetcher.fetched_records
    seen: dict[tuple[int, TopicPartition], int] = {}

    async def lossy(self: Fetcher, *args: Any, **kwargs: Any) -> dict[TopicPartition, list[ConsumerRecord]]:
        fetched: dict[TopicPartition, list[ConsumerRecord]] = await fetched_records(self, *args, **kwargs)
        if not self._subscriptions.partitions_auto_assigned():
            return fetched  # a reader of its own, outside any group
        assignment = self._subscriptions.subscription.assignment
        kept = {}
        for tp, batch in fetched.items():
            count = seen[id(assignment), tp] = seen.get((id(assignment), tp), 0) + 1
            if chance.random() < (FRESH_SHARE if count <= FRESH_FETCHES else SHARE):
                sys.stderr.write(f"{tp.topic}[{tp.partition}]: {SAID}: {len(batch)}\n")
            else:
                kept[tp] = batch
        return kept

    Fetcher.fetched_records = lossy
