"""One row per lead, one column per thing known: decayed counters, last times, value, mood, duplicate ring.

A counter with half-life h is `c(t) = c(t0) * 2^(-(t - t0) / h)`; an event adds 1. A late event (older than the row's `last`)
adds `2^(-(last - t) / h)`, so the counters do not depend on the order of arrival (exact up to float32 rounding).
The sums behind gap, value and mood are order-free too: a shuffle leaves every feature as it was.

A round is folded in waves of distinct leads: wave k holds each lead's k-th event, so each wave is one vectorised step,
and the result is the same, to the byte, as folding event by event (property: tests/laws).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streams.vocabulary import Family

HOUR = 3_600.0
DAY = 24 * HOUR
HALF_LIVES_DAYS = (1.0, 7.0, 30.0)
MOOD_HALF_LIFE_DAYS = 90.0
RING = 12
"""How many event ids are remembered per lead: a duplicate is recognised within the lead's last 12 events."""

ROW = np.dtype(
    [
        ("guard", "<i8"),  # offset of the last record applied to this lead
        ("last", "<f8"),  # newest event, epoch seconds
        ("first", "<f8"),  # oldest event
        ("last_key", "<f8"),  # newest sign of life; 0 = never
        ("first_key", "<f8"),
        ("since", "<f8"),  # when the stage was entered
        ("due", "<f8"),  # when a tick has to look at the lead again
        ("cents", "<f8"),  # money so far, refunds taken off
        ("ring", "<u8", (RING,)),
        ("counts", "<f4", (len(Family), len(HALF_LIVES_DAYS))),
        ("family_last", "<u4", (len(Family),)),  # newest event of each family, epoch seconds; 0 = never
        ("money", "<f4"),  # cents, decayed with 30 days
        ("mood", "<f4"),
        ("mood_weight", "<f4"),
        ("events", "<u4"),
        ("key_events", "<u4"),
        ("seq", "<u4"),  # assessments published so far
        ("published", "<f4"),  # probability last published
        ("ring_at", "u1"),
        ("stage", "u1"),
        ("flags", "u1"),
        ("born", "<u8"),  # `ids.life_of`; 0 = nothing was heard yet
        ("backward", "u1"),  # moves back on its journey since it last moved on (streams/stuck.py)
        ("stuck_from", "<u4"),  # epoch seconds from which it counts as stuck on its journey; 0 = no such time
        ("spare", "<u4"),  # rows of a multiple of 8 bytes lie straight in memory; room for the next field
    ]
)
"""Fields are only ever appended (streams/state.py reads older, shorter rows, and longer ones of a build that was taken back)."""
RAW = np.dtype((np.void, ROW.itemsize))
LEAVING = float("inf")
_RATES = np.array([np.log(2.0) / (h * DAY) for h in HALF_LIVES_DAYS])
_MOOD_RATE = np.log(2.0) / (MOOD_HALF_LIFE_DAYS * DAY)

Rows = NDArray[np.void]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def raw(rows: Rows) -> Rows:
    """The same memory, each row as one piece: numpy copies a row of fields field by field, which takes ten times as long."""
    return rows.view(RAW)


def picked(rows: Rows, where: Ints) -> Rows:
    """A copy of some rows, each as one piece."""
    return raw(rows)[where].view(ROW)


_NUMBERS: list[int] = []


def _numbers(first: int, end: int) -> list[int]:
    """Row numbers as objects that the tables of all partitions share, as each takes 32 bytes.

    Each place is given the same number whoever fills it, and in one step: two tables may grow at the same time.
    """
    start = min(len(_NUMBERS), end)
    _NUMBERS[start:end] = range(start, end)
    return _NUMBERS[first:end]


class FeatureTable:
    """The rows of one partition, found by key. Rows of forgotten leads are used again."""

    def __init__(self, capacity: int = 1024) -> None:
        """Start empty; grows by half when full."""
        self.rows: Rows = np.zeros(capacity, ROW)
        self.due: Floats = np.empty(capacity)
        self.index: dict[bytes, int] = {}
        self.keys: list[bytes | None] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        """How many leads are held."""
        return len(self.index)

    def row_of(self, key: bytes) -> int:
        """The lead's row, made when it is new."""
        row = self.index.get(key)
        return self._new_rows([key])[0] if row is None else row

    def rows_of(self, keys: Sequence[bytes]) -> Ints:
        """The rows of distinct leads, made where they are new."""
        found = list(map(self.index.get, keys))
        if None in found:
            self._new_rows([key for key, row in zip(keys, found, strict=True) if row is None])
            found = list(map(self.index.get, keys))
        return np.array(found, np.int64)

    def _new_rows(self, keys: Sequence[bytes]) -> Sequence[int]:
        """Rows of leads that have none yet: those that were freed first, then behind the last one."""
        again = min(len(self._free), len(keys))
        first, end = len(self.keys), len(self.keys) + len(keys) - again
        if end > len(self.rows):
            grown = end + max(first // 2, 1024)
            rows, due = self.rows, self.due
            self.rows, self.due = np.zeros(grown, ROW), np.empty(grown)  # both take no memory until used
            raw(self.rows)[:first], self.due[:first] = raw(rows)[:first], due[:first]
        self.rows["guard"][first:end], self.due[first:end] = -1, LEAVING
        self.keys.extend(keys[again:])
        where = _numbers(first, end)
        if again:
            freed = [self._free.pop() for _ in range(again)]
            for row, key in zip(freed, keys, strict=False):
                self.keys[row] = key
            where = [*freed, *where]
        self.index.update(zip(keys, where, strict=True))
        return where

    def forget(self, key: bytes) -> None:
        """Remove the lead; its row is cleared and used again."""
        row = self.index.pop(key)
        self.keys[row] = None
        self.rows[row] = np.zeros((), ROW)
        self.rows["guard"][row] = -1
        self.due[row] = LEAVING
        self._free.append(row)

    def at(self, where: Ints) -> Rows:
        """A copy of some rows."""
        return picked(self.rows, where)

    def put(self, where: Ints, rows: Rows) -> None:
        """Write some rows; of several for the same place the last one stays."""
        raw(self.rows)[where] = raw(rows)

    def due_rows(self, now: float) -> Ints:
        """Rows whose time to be looked at has come, in row order."""
        return np.nonzero(self.due[: len(self.keys)] <= now)[0]


def lead_of(key: bytes | None) -> tuple[str, str]:
    """Tenant and lead of a key."""
    tenant, _, lead = (key or b"").decode().partition(":")
    return tenant, lead


class Batch:
    """Messages of one stretch of the log, as columns. All arrays have one entry per message."""

    def __init__(
        self,
        rows: Sequence[int] | Ints,
        times: Sequence[float],
        families: Sequence[int],
        keys: Sequence[bool],
        cents: Sequence[int],
        moods: Sequence[float],
        fingerprints: Sequence[int],
        counts: Sequence[bool],
    ) -> None:
        """Times are epoch seconds; moods are 0 to 1, or NaN. What does not count only leaves its fingerprint."""
        self.rows = np.asarray(rows, np.int64)
        self.times = np.asarray(times, np.float64)
        self.families = np.asarray(families, np.int64)
        self.keys = np.asarray(keys, np.bool_)
        self.cents = np.asarray(cents, np.float64)
        self.moods = np.asarray(moods, np.float64)
        self.fingerprints = np.asarray(fingerprints, np.uint64)
        self.counts = np.asarray(counts, np.bool_)

    def __len__(self) -> int:
        """Number of events."""
        return len(self.rows)


def waves(rows: Ints) -> list[Ints]:
    """Positions grouped so that each group holds a lead at most once and a lead's positions stay in order."""
    if len(set(rows.tolist())) == len(rows):
        return [np.arange(len(rows))] if len(rows) else []
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    lengths = np.diff(np.append(starts, len(rows)))
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - np.repeat(starts, lengths)
    by_rank = np.argsort(rank, kind="stable")
    return np.split(by_rank, np.flatnonzero(np.diff(rank[by_rank])) + 1)


def fold_wave(table: FeatureTable, batch: Batch, wave: Ints) -> tuple[Rows, Bools]:
    """Apply one event each to distinct leads of a table; returns what `fold_rows` does."""
    where = batch.rows[wave]
    after, new = fold_rows(table.at(where), batch, wave)
    table.put(where, after)
    return after, new


def fold_rows(work: Rows, batch: Batch, wave: Ints) -> tuple[Rows, Bools]:
    """Apply one event each to rows.

    Args:
        work: the rows as they are.
        batch: the events.
        wave: which of them; one for each row, in the same order.

    Returns:
        The rows after the events, and which events were new; duplicates change nothing.
    """
    t = batch.times[wave]
    new = ~(work["ring"] == batch.fingerprints[wave][:, None]).any(axis=1)
    family = batch.families[wave]
    n = np.arange(len(wave))
    fresh = work["events"] == 0
    last = np.where(fresh, t, work["last"])
    ahead = np.maximum(t - last, 0.0)
    behind = np.maximum(last - t, 0.0)

    counts = work["counts"] * np.exp(-ahead[:, None] * _RATES).astype(np.float32)[:, None, :]
    counts[n, family] += np.exp(-behind[:, None] * _RATES).astype(np.float32)
    add_30 = np.exp(-behind * _RATES[2])
    money = work["money"] * np.exp(-ahead * _RATES[2]) + batch.cents[wave] * add_30
    moods = batch.moods[wave]
    has_mood = ~np.isnan(moods)
    keep_mood, add_mood = np.exp(-ahead * _MOOD_RATE), np.exp(-behind * _MOOD_RATE) * has_mood
    mood = work["mood"] * keep_mood + np.where(has_mood, moods, 0.0) * add_mood
    mood_weight = work["mood_weight"] * keep_mood + add_mood
    is_key = batch.keys[wave]

    after = raw(work).copy().view(ROW)
    after["counts"] = counts
    after["money"], after["mood"], after["mood_weight"] = money, mood, mood_weight
    after["last"] = np.maximum(last, t)
    after["first"] = np.where(fresh, t, np.minimum(work["first"], t))
    after["last_key"] = np.where(is_key, np.maximum(work["last_key"], t), work["last_key"])
    first_key = np.where(work["key_events"] == 0, t, np.minimum(work["first_key"], t))
    after["first_key"] = np.where(is_key, first_key, work["first_key"])
    after["family_last"][n, family] = np.maximum(work["family_last"][n, family], t.astype(np.uint32))
    after["cents"] += batch.cents[wave]
    after["events"] += 1
    after["key_events"] += is_key
    says_nothing = ~(new & batch.counts[wave])
    if says_nothing.any():
        after[says_nothing] = work[says_nothing]
    after["ring"][n[new], work["ring_at"][new]] = batch.fingerprints[wave][new]
    after["ring_at"][new] = (work["ring_at"][new] + 1) % RING
    return after, new
