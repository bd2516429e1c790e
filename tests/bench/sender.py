"""Sends events at fixed times, in a process of its own, whatever comes back (an open loop).

Event number i is due at t0 + i / rate. A slow system does not slow the sender down, and latency is counted from the time
at which an event was due, so nothing that waits is left out (no coordinated omission). Fifty times a second an event is an
operator's order for a lead of its own, which leads to a command.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agents.writer import Out, Writer, partition_for
from schemas import topics
from tests.bench.lead_log import now
from tests.bench.lead_traffic import SEED, Event, key_of, records, skewed

SERIAL = 1 << 33
ORDERS_PER_S = 50
"""So that 25 seconds have a thousand of them: a p99 of fewer rests on a handful."""
_PACE_S = 0.003
"""From one request to the next, at least. Without it each request carries a handful of events, and sender and broker take the
processors for themselves that the worker is measured on."""
_ORDER = (
    '{"v":1,"type":"trigger_intervention","id":"op-%d","tenant":"harbour","lead":"L-%07d","at":"%s",'
    '"stage":"active_risk","by":"bench"}'
)


class Sent(NamedTuple):
    """How the sending went.

    Attributes:
        t0: Monotonic time at which event 0 was due; the clock is the machine's, so another process can compare.
        late_ms: How late the sender itself was at worst.
    """

    t0: float
    late_ms: float


def order_every(rate: int) -> int:
    """One event in so many is an order, at so many events a second."""
    return max(2, rate // ORDERS_PER_S)


def _events(leads: int, rate: int, count: int) -> list[Event]:
    who = skewed(np.random.default_rng([SEED, 3]), leads, count)
    made = list(records(who, now() - 30.0, now(), size=320, serial=SERIAL))
    at = datetime.fromtimestamp(now(), UTC).isoformat()
    for n, number in enumerate(range(0, count, order_every(rate))):
        lead = leads - 1 - n % leads  # each order has a lead of its own, from the end
        made[number] = Event(key_of(lead), (_ORDER % (number, lead, at)).encode())
    return made


async def send(writer: Writer, topic: str, partitions: int, events: list[Event], rate: int) -> Sent:
    """Send all events that are due at once, a moment later those that came due meanwhile, and so on.

    As with any producer, what comes due while a request is on its way goes with the next one; the wait counts, since an
    event's time is when it was due.
    """
    ready = [Out(topic, partition_for(event.key, partitions), event.key, event.value) for event in events]
    sent, late = 0, 0.0
    t0 = time.monotonic() + 0.5
    while sent < len(ready):
        passed = time.monotonic() - t0
        due = min(len(ready), int(passed * rate) + 1) if passed >= 0 else 0
        if due > sent:
            late = max(late, passed - sent / rate)
            await writer.produce(ready[sent:due])
            sent = due
        await asyncio.sleep(_PACE_S)
    return Sent(t0, late * 1000)


async def _main(args: argparse.Namespace) -> Sent:
    events = _events(args.leads, args.rate, int(args.rate * args.seconds))
    writer = Writer(args.bootstrap, idempotent=not args.no_idempotence, client_id="bench-sender")
    await writer.start()
    sent = await send(writer, args.prefix + topics.EVENTS.name, args.partitions, events, args.rate)
    await writer.stop()
    return sent


def main() -> None:
    """Send and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bootstrap", "prefix", "out"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("partitions", "leads", "rate"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--no-idempotence", action="store_true")
    args = parser.parse_args()
    Path(args.out).write_text(json.dumps(asyncio.run(_main(args))._asdict()))


if __name__ == "__main__":
    main()
