"""Named moments at which a process ends, stops in its tracks, or waits for an answer that does not come.

A trouble `fail-at:<moment>:<n>` ends the process without any clean-up when the moment comes for the n-th time;
`stop-at:…` stops it as SIGSTOP does, until somebody wakes it; `hang-at:…` lets it and all after it wait for an answer
that does not come, and 3 seconds later the process ends; `amnesia-at:…` empties Redis and ends the process.

A trouble `poison:<marker>` ends each process that folds a record with these bytes in its value, as a fault in native code does.
"""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import redis
from aiokafka import AIOKafkaProducer

from agents import writer as writing
from agents.couriers.delivery import Desk
from agents.couriers.fence import Fence
from agents.lane_thread import LaneThread
from agents.settings import Settings
from streams import lead as fold
from streams.partition import Message, Partition

MOMENTS = (
    "before_output",
    "after_output",
    "before_state",
    "after_state",
    "before_ledger",
    "after_ledger",
    "before_transaction_end",
    "after_transaction_end",
    "before_commit",
    "after_commit",
    "after_claim",
    "after_fence",
    "after_provider_call",
)
"""`output`: what the lead agent publishes. `state`: its changelog. `ledger`: the couriers'. `commit`: of offsets.

Where outputs and state go together (exactly once), both are `output`, and `transaction_end` is what makes them count.
"""
HANG_S = 3.0
EXIT = 99

Act = Callable[[], Awaitable[None]]


async def _end() -> None:
    os._exit(EXIT)


async def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


async def _amnesia() -> None:
    with redis.Redis.from_url(Settings().redis_url) as client:
        client.flushall()
    os._exit(EXIT)


async def _hang() -> None:
    await asyncio.sleep(HANG_S)  # the answer that does not come
    os._exit(EXIT)


class Failpoint:
    """Counts a moment and acts when it comes for the n-th time."""

    def __init__(self, text: str, act: Act, *, lasting: bool = False) -> None:
        self.moment, _, number = text.partition(":")
        if self.moment not in MOMENTS:
            raise SystemExit(f"failpoint {text}: use one of {', '.join(MOMENTS)}, like after_output:7")
        self._left, self._act, self._lasting = int(number or 1), act, lasting

    async def passed(self, moment: str) -> None:
        """A moment has come."""
        if moment == self.moment:
            self._left -= 1
            if self._left == 0 or (self._lasting and self._left < 0):
                sys.stderr.write(f"failpoint {moment}\n")
                sys.stderr.flush()
                await self._act()


def fail_at(text: str) -> None:
    """End the process at a moment."""
    _install(Failpoint(text, _end))


def stop_at(text: str) -> None:
    """Stop it in its tracks."""
    _install(Failpoint(text, _stop))


def hang_at(text: str) -> None:
    """Let it wait for an answer in vain, then end it."""
    _install(Failpoint(text, _hang, lasting=True))


def amnesia_at(text: str) -> None:
    """Empty Redis and end the process: two faults at the worst moment."""
    _install(Failpoint(text, _amnesia))


def poison(marker: str) -> None:
    """Read from address 0 in the middle of the fold."""
    accept, wanted = fold._accept, marker.encode()

    def fatal(partition: Partition, message: Message, env: Any) -> Any:
        if wanted in (message.value or b""):
            sys.stderr.write(f"failpoint poison at {partition.number}/{message.offset}\n")
            sys.stderr.flush()
            ctypes.string_at(0)
        return accept(partition, message, env)

    fold._accept = fatal


FAILPOINTS: dict[str, Callable[[str], None]] = {
    "poison": poison,
    "fail-at": fail_at,
    "stop-at": stop_at,
    "hang-at": hang_at,
    "amnesia-at": amnesia_at,
}
"""By the name under which `tests.faults.troubled` puts them in."""


def _install(point: Failpoint) -> None:
    produce, commit = writing.Writer.produce, LaneThread.commit_offsets
    fence, ask, end = Fence.pass_, Desk._ask, AIOKafkaProducer.commit_transaction

    async def produced(self: Any, records: Iterable[Any], last: Iterable[Any] = ()) -> Any:
        records, last = list(records), list(last)
        kind = _kind([*records, *last])
        await point.passed(f"before_{kind}")
        acked = await produce(self, records, last)
        await point.passed(f"after_{kind}")
        return acked

    async def ended(self: Any) -> None:
        await point.passed("before_transaction_end")
        await end(self)
        await point.passed("after_transaction_end")

    async def committed(self: Any, offsets: Any) -> None:
        await point.passed("before_commit")
        await commit(self, offsets)
        await point.passed("after_commit")

    async def fenced(self: Any, *args: Any) -> bool:
        await point.passed("after_claim")
        free = await fence(self, *args)
        await point.passed("after_fence")
        return free

    async def asked(self: Any, *args: Any) -> Any:
        answer = await ask(self, *args)
        await point.passed("after_provider_call")
        return answer

    writing.Writer.produce = produced  # type: ignore[method-assign]
    AIOKafkaProducer.commit_transaction = ended
    LaneThread.commit_offsets = committed  # type: ignore[method-assign]
    Fence.pass_ = fenced  # type: ignore[method-assign, assignment]
    Desk._ask = asked  # type: ignore[method-assign, assignment]


def _kind(records: list[Any]) -> str:
    topic = records[0][0] if records else ""
    if topic.endswith("lead.state"):
        return "state"
    return "ledger" if topic.endswith("couriers.ledger") else "output" if topic else "nothing"
