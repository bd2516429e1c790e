"""Seeded traffic for the whole product: leads that go quiet, garbage, duplicates, late events, time as ticks."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from agents.ticks import tick_record
from agents.writer import Out, partition_for
from tests.bad_input import BAD, KEY, Bad

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAYS = 40
PARTITIONS = 4
GARBAGE = [("garbage", b"")]
"""The header of all garbage, by which it is known again; the product looks at no header of what it is sent."""
KINDS = ("item_viewed", "search_performed", "item_saved", "page_viewed", "message_received", "purchase_completed")


def traffic(prefix: str, partitions: int, *, events: int, leads: int, seed: int) -> Iterator[list[Out]]:
    """Pieces of the log, one for each quarter of a day of event time, each ended by ticks; about `events` records in all.

    1 % garbage (any of `tests.bad_input`, up to a megabyte), 2 % duplicates, 5 % late by up to a day. Each lead is active for
    some days and then says nothing.
    """
    chance = random.Random(seed)
    quiet_from = {n: chance.uniform(1, DAYS * 0.9) for n in range(leads)}
    steps = DAYS * 4
    each = (events - steps * partitions - leads) // steps
    topic, serial, recent = prefix + "lead.events", 0, []  # type: tuple[str, int, list[Out]]
    for step in range(steps):
        at = START + timedelta(hours=6 * step)
        piece: list[Out] = []
        if step == 0:
            piece += [_profile(topic, partitions, n, at) for n in range(leads)]
        alive = [n for n, day in quiet_from.items() if day > step / 4] or [0]
        for _ in range(each):
            serial += 1
            draw = chance.random()
            if draw < 0.01:
                piece.append(_garbage(topic, partitions, chance.choice(BAD), chance.choice(alive), at))
            elif draw < 0.03 and recent:
                piece.append(chance.choice(recent))
            else:
                late = timedelta(hours=chance.uniform(0, 24)) if draw < 0.08 else timedelta(0)
                moment = at + timedelta(seconds=chance.uniform(0, 6 * 3600)) - late
                out = _event(topic, partitions, chance.choice(alive), chance.choice(KINDS), moment, serial, at)
                piece.append(out)
                recent = [*recent[-50:], out]
        yield piece
        end = at + timedelta(hours=6)
        yield [tick_record(prefix, p, end, f"tick-{p}-{step}") for p in range(partitions)]


def _garbage(topic: str, partitions: int, bad: Bad, lead: int, at: datetime) -> Out:
    """On a partition where others say something, or a breaker would trip; under a lead's key, if the key is not what is bad."""
    home = f"acme:lead-{lead}".encode()
    key = home if bad.key == KEY else bad.key
    return Out(topic, partition_for(home, partitions), key, bad.value, _ms(at), GARBAGE)


def _event(topic: str, partitions: int, lead: int, kind: str, at: datetime, serial: int, sent: datetime) -> Out:
    body: dict[str, Any] = {"type": kind, "id": f"e{serial}", "at": at.isoformat()}
    if kind in {"item_viewed", "item_saved"}:
        body["item"] = f"listing-{serial % 97}"
    if kind == "purchase_completed":
        body["amount_cents"] = 1000 + serial % 5000
    return _out(topic, partitions, lead, body, max(sent, at))


def _profile(topic: str, partitions: int, lead: int, at: datetime) -> Out:
    zone = ("Europe/Berlin", "America/New_York", "Asia/Tokyo")[lead % 3]
    body = {"type": "profile_updated", "id": f"p{lead}", "at": at.isoformat(), "timezone": zone, "name": f"Lead {lead}"}
    if lead % 4:
        body["email"] = f"lead{lead}@example.com"
    return _out(topic, partitions, lead, body, at)


def _out(topic: str, partitions: int, lead: int, body: dict[str, Any], sent: datetime) -> Out:
    key = f"acme:lead-{lead}".encode()
    value = json.dumps({"v": 1, "tenant": "acme", "lead": f"lead-{lead}", **body}).encode()
    return Out(topic, partition_for(key, partitions), key, value, _ms(sent))


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
