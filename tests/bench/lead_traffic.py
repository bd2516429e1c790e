"""Made-up traffic of leads that looks like the real thing: 20 kinds, a few leads do most of it, records of 250 to 400 B.

Drawn from a fixed seed, in columns, so that a million events take seconds. The records are what a site, a CRM and an
e-mail provider send: the contract's fields and some that nobody reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

SEED = 20261121
SKEW = 0.9
"""Weight of the lead at rank r is 1 / (r + 10)^SKEW: of a million leads the busiest thousand make 27 % of the events."""

KINDS: dict[str, tuple[float, str]] = {
    "page_viewed": (26, '"url":"https://homes.example.com/listings/%d?from=search","seconds":41.5'),
    "item_viewed": (18, '"item":"listing-%d"'),
    "search_performed": (12, '"query":"3 rooms, balcony, near the harbour, up to %d"'),
    "session_ended": (10, '"seconds":312.0,"pages":%d'),
    "item_saved": (5, '"item":"listing-%d"'),
    "item_shared": (2, '"item":"listing-%d"'),
    "message_received": (5, '"channel":"email","text":"Is number %d still free, and could I see it on Saturday?"'),
    "call_completed": (4, '"outcome":"no_answer","direction":"outbound","seconds":%d.0'),
    "appointment_scheduled": (2, '"starts_at":"2026-12-01T10:00:00Z","agent_id":%d'),
    "appointment_completed": (2, '"agent_id":%d'),
    "appointment_cancelled": (1, '"by":"lead","agent_id":%d'),
    "appointment_missed": (1, '"agent_id":%d'),
    "purchase_completed": (3, '"amount_cents":%d,"items":2'),
    "payment_failed": (1, '"amount_cents":%d'),
    "refund_issued": (1, '"amount_cents":%d'),
    "ticket_opened": (2, '"severity":"medium","ticket":%d'),
    "ticket_closed": (2, '"ticket":%d'),
    "survey_answered": (1, '"score":0.7,"survey":%d'),
    "review_posted": (1, '"stars":4,"text":"Friendly, and quick to answer. House %d."'),
    "crm_stage_changed": (1, '"stage":"qualified","direction":"forward","pipeline":%d'),
}
"""Kind -> how often (parts of 100), and its own fields."""
assert len(KINDS) == 20
_HEAD = '{"v":1,"type":"%s","id":"evt-%012x","tenant":"harbour","lead":"L-%07d","at":"%s","source":"site"'
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 session-resumed consent-analytics "


class Event(NamedTuple):
    """A record of the inbox."""

    key: bytes
    value: bytes


def key_of(lead: int) -> bytes:
    """Return `tenant:lead`."""
    return b"harbour:L-%07d" % lead


def skewed(chance: np.random.Generator, leads: int, events: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Draw leads: few are busy, most are not; which ones has nothing to do with their numbers."""
    weights = 1.0 / (np.arange(leads) + 10.0) ** SKEW
    ranks = np.searchsorted(np.cumsum(weights) / weights.sum(), chance.random(events))
    return chance.permutation(leads)[np.minimum(ranks, leads - 1)]


def records(
    leads: np.ndarray[tuple[int], np.dtype[np.int64]],
    first: float,
    last: float,
    *,
    size: int,
    serial: int,
) -> Iterator[Event]:
    """Make one event for each entry, evenly between two times.

    Args:
        leads: Who, in order.
        first: Epoch seconds of the first event.
        last: Of the last one.
        size: Bytes of a value, about: a sixth more or less, and never less than its kind needs.
        serial: Number of the first event; ids follow from it.
    """
    chance = np.random.default_rng([SEED, serial])
    names, weights = list(KINDS), np.array([weight for weight, _ in KINDS.values()])
    kinds = chance.choice(len(names), len(leads), p=weights / weights.sum()).tolist()
    numbers = chance.integers(1, 80_000, len(leads)).tolist()
    sizes = chance.integers(size * 5 // 6, size * 7 // 6 + 1, len(leads)).tolist()
    times = np.linspace(first, last, len(leads)).tolist()
    bodies = [body for _, body in KINDS.values()]
    for i, lead in enumerate(leads.tolist()):
        at = datetime.fromtimestamp(times[i], UTC).isoformat(timespec="milliseconds")
        text = _HEAD % (names[kinds[i]], serial + i, lead, at) + "," + bodies[kinds[i]] % numbers[i]
        missing = sizes[i] - len(text) - 11
        if missing > 0:
            text += ',"agent":"' + (_AGENT * (missing // len(_AGENT) + 1))[:missing] + '"'
        yield Event(key_of(lead), (text + "}").encode())
