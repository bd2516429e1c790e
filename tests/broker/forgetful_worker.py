"""A worker that loses, once, the fetch which brings the end of a log: nothing that comes after it can show the loss."""

from __future__ import annotations

import sys
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher

from tests.broker.count_worker import CountJob, run

SAID = "the last fetch is lost"


def lose_the_last_fetch() -> None:
    """From now on, of each partition that this process reads as a member of a group."""
    fetched_records = Fetcher.fetched_records
    lost: set[TopicPartition] = set()

    async def lossy(self: Fetcher, *args: Any, **kwargs: Any) -> dict[TopicPartition, Any]:
        fetched: dict[TopicPartition, Any] = await fetched_records(self, *args, **kwargs)
        for tp in fetched.keys() - lost if self._subscriptions.partitions_auto_assigned() else ():
            state = self._subscriptions.subscription.assignment.state_value(tp)
            if state is not None and state.highwater == fetched[tp][-1].offset + 1:
                lost.add(tp)
                sys.stdout.write(f"{SAID}: {len(fetched.pop(tp))} records of partition {tp.partition}\n")
                sys.stdout.flush()
        return fetched

    Fetcher.fetched_records = lossy


if __name__ == "__main__":
    lose_the_last_fetch()
    run(CountJob)
