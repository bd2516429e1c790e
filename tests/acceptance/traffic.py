"""What producers send in these tests: leads with a rhythm who then fall silent, and ticks."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from agents.ticks import tick_record
from agents.writer import Out, partition_for
from schemas.topics import EVENTS
from tests.acceptance.product import Product
from tests.worlds import START


def event(product: Product, lead: str, at: datetime, kind: str, name: str, /, **fields: object) -> Out:
    """One valid event, with its own time as timestamp."""
    body = {
        "v": 1, "type": kind, "id": name, "tenant": product.tenant, "lead": lead, "at": at.isoformat(), **fields,
    }  # fmt: skip
    key = f"{product.tenant}:{lead}".encode()
    partition = partition_for(key, product.partitions)
    return Out(product.topic(EVENTS), partition, key, json.dumps(body).encode(), int(at.timestamp() * 1000))


def day(n: float) -> datetime:
    """So many days after a Monday, 10:00 in New York: outside of anybody's quiet hours there."""
    return START + timedelta(days=n)


def messages(product: Product, leads: Sequence[str], first: int, days: int = 5) -> list[Out]:
    """A message a day from each lead, from day `first` on."""
    return [
        event(product, lead, day(first + n), "message_received", f"m-{first + n}")
        for n in range(days)
        for lead in leads
    ]


def tick(product: Product, n: float) -> list[Out]:
    """Tell every partition that day `n` has come."""
    return [tick_record(product.prefix, p, day(n), f"tick-{p}-{n}") for p in range(product.partitions)]
