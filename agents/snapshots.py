"""A log as columns, and snapshots of it: what would have been known of every lead at a time t, and what came after.

Training and evaluation fold the same `FeatureTable` that runs online and read it with the same `vectors`; only the
batches are larger. A test holds the vectors against those of the streaming fold, bit for bit.

No look into the future: an event counts at t when it happened *and* was known before t (event and ingestion time < t).
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from agents.sentiment import reader_of
from schemas import events as e
from streams.closed import NOBODY, Closed, Told, closed
from streams.features import Batch, Bools, FeatureTable, Floats, Ints, Rows, fold_wave, waves
from streams.ids import fingerprint
from streams.labels import Label, Moments, churned, eligible
from streams.lifecycle import Journey
from streams.policy import Policy, PolicyOf
from streams.strokes import SAYS_NOTHING
from streams.stuck import Followed, Standing, Step
from streams.validate import SKEW_SECONDS
from streams.vector import vectors
from streams.vocabulary import Kind, ReadMood, meaning, vocabulary_version

FOLD_AT_ONCE = 65_536
"""Events folded in one batch."""


class Logged(Protocol):
    """What a log is made of (`agents.eventlog.LoggedEvent`, or records of `lead.events`)."""

    @property
    def key(self) -> bytes:
        """`tenant:lead`."""

    @property
    def value(self) -> bytes:
        """JSON of a message of `lead.events`."""


class Snapshot(NamedTuple):
    """Leads that could be judged at t: features (rows x features), whose row it is, and the truth (1 = went quiet)."""

    t: float
    x: Floats
    leads: Ints
    y: Floats


class _Words(NamedTuple):
    """By what the events of a tenant are read."""

    kinds: Mapping[str, Kind]
    journey: Journey
    read_mood: ReadMood | None
    version: str

    @classmethod
    def of(cls, policy: Policy, words: Mapping[str, Kind] | None) -> Self:
        """The policy's own, and those on top of it."""
        kinds, read_mood = {**policy.kinds, **(words or {})}, reader_of(policy.language)
        spoken = vocabulary_version(kinds, policy.language if read_mood is not None else None)
        return cls(kinds, policy.journey, read_mood, spoken)


class Bygone(NamedTuple):
    """What is older than a log that lost its beginning: messages deleted, and leads that began before; None: not known."""

    deleted: int
    leads: int | None


class ActivityLog:
    """A log in columns, in the order in which it became known; signs of life and closings by time.

    Attributes:
        keys: lead number -> `tenant:lead`.
        start: first event time (epoch seconds); `end`: last.
        life: signs of life; `closed`: when leads were closed, as it was known.
        vocabulary: names what the events were taken to mean (`streams.vocabulary.vocabulary_version`), a word for each
            vocabulary where tenants have their own.
        bygone: of a log that lost its beginning; None: it begins where its leads do, as far as is known.
    """

    bygone: Bygone | None = None

    def __init__(
        self,
        batch: Batch,
        seen: Floats,
        keys: list[bytes],
        closings: Mapping[int, str] = {},
        vocabulary: str = "",
        steps: Mapping[int, tuple[Journey, Step]] = {},
        untold: Mapping[str, int] = {},
    ) -> None:
        """`batch.rows` are lead numbers; `seen` is when each event was known, rising; closings (as what) and steps by position."""
        self.batch, self.seen, self.keys, self.vocabulary = batch, seen, keys, vocabulary
        self.untold = dict(untold)
        """Custom kinds that no vocabulary describes, and so say next to nothing -> how many events."""
        self._steps = steps
        self._is_step = np.zeros(len(batch), np.bool_)
        self._is_step[list(steps)] = True
        self.life = self._moments(np.flatnonzero(batch.keys))
        self._closings = {i: closings[i] for i in _once(batch, np.array(sorted(closings), np.int64)).tolist()}
        self.closed = self._closed()
        self.start = float(batch.times.min()) if len(batch) else 0.0
        self.end = float(batch.times.max()) if len(batch) else 0.0

    def __len__(self) -> int:
        """Number of messages."""
        return len(self.batch)

    @classmethod
    def read(
        cls,
        log: Iterable[Logged],
        policy: Policy | PolicyOf,
        words: Mapping[str, Kind] | None = None,
    ) -> Self:
        """Read messages of `lead.events`, any but ticks, activations and orders about addresses.

        Args:
            log: the messages, in any order.
            policy: says what custom kinds mean, in which language messages are, and which journey leads are on: one for all
                tenants, or what gives a tenant's.
            words: meanings on top of the policy's (a mapping's vocabulary).
        """
        policy_of = policy if not isinstance(policy, Policy) else lambda _: policy
        spoken: dict[str, _Words] = {}
        numbers: dict[bytes, int] = {}
        rows, families, cents = array("q"), array("b"), array("q")
        times, moods, seen = array("d"), array("d"), array("d")
        keys, prints, counts = array("b"), array("Q"), array("b")
        closings: dict[int, str] = {}
        steps: dict[int, tuple[Journey, Step]] = {}
        untold = Counter[str]()
        for record in log:
            body = e.EVENT.validate_json(record.value)
            if e.is_control(body):
                continue
            known = spoken.get(body.tenant)
            if known is None:
                known = spoken[body.tenant] = _Words.of(policy_of(body.tenant), words)
            at, arrived = body.at.timestamp(), getattr(record, "timestamp_ms", 0) / 1000
            if arrived:
                at = min(at, arrived + SKEW_SECONDS)  # as in the fold
            lead = numbers.setdefault(record.key, len(numbers))
            if isinstance(body, e.Custom) and body.kind not in known.kinds:
                untold[body.kind] += 1
            step = Step.of(body) if known.journey.stages else None
            if step is not None and step.name in known.journey.kinds:
                steps[len(rows)] = known.journey, step
            if isinstance(body, e.LeadClosed):
                closings[len(rows)] = body.outcome
            told = meaning(body, known.kinds, known.read_mood) if e.is_activity(body) else SAYS_NOTHING
            rows.append(lead)
            times.append(at)
            seen.append(max(at, arrived))
            families.append(told.family)
            keys.append(told.key)
            cents.append(told.cents)
            moods.append(told.mood)
            prints.append(fingerprint(body.id))
            counts.append(e.is_activity(body))
        order = np.argsort(np.array(seen), kind="stable")
        columns = [np.array(column)[order] for column in (rows, times, families, keys, cents, moods, prints, counts)]
        place = np.argsort(order).tolist()
        return cls(
            _batch(columns),
            np.array(seen)[order],
            list(numbers),
            {place[i]: outcome for i, outcome in closings.items()},
            " ".join(sorted({known.version for known in spoken.values()})),
            {place[i]: step for i, step in steps.items()},
            untold,
        )

    def closings(self, outcomes: frozenset[str] | None = None) -> Moments:
        """When leads were closed, all of them or those with these outcomes."""
        kept = [i for i, outcome in self._closings.items() if outcomes is None or outcome in outcomes]
        return self._moments(np.array(kept, np.int64))

    def eligible(self, t: float, label: Label) -> Bools:
        """Which leads can be judged at t."""
        return eligible(len(self.keys), self.life, self.closed, t, label)

    def churned(self, t: float, label: Label) -> Bools:
        """Which leads went quiet after t. Meaningless where the log does not reach `t + label.reach`."""
        ends = self.life if label.churn == "silence" else self.closings(label.closed_as)
        return churned(len(self.keys), self.life, ends, t, label)

    def last_judged(self, label: Label) -> float:
        """The latest snapshot whose labels are complete."""
        return self.end - label.reach

    def snapshots(self, times: Sequence[float], label: Label) -> Iterator[Snapshot]:
        """Features and truth at each of the times, in rising order, in one pass over the log."""
        table, followed, done = self._table(), Followed(), 0
        for t in sorted(times):
            until = int(np.searchsorted(self.seen, t, "left"))
            self._fold(table, followed, np.arange(done, until))
            done = until
            leads = np.flatnonzero(self.eligible(t, label) & (table.rows["events"][: len(self.keys)] > 0))
            x = vectors(table.at(leads), np.full(len(leads), t))
            yield Snapshot(t, x, leads, self.churned(t, label)[leads].astype(np.float64))

    def in_hindsight(self, t: float, leads: Ints) -> Floats:
        """Features of these leads at t as the log tells them today: also by what happened before t and was written down later."""
        table = self._table()
        self._fold(table, Followed(), np.flatnonzero(self.batch.times < t))
        return vectors(table.at(leads), np.full(len(leads), t))

    @property
    def written_late(self) -> Bools:
        """Which messages were known only after they happened."""
        return self.seen > self.batch.times

    def known_rows(self, t: float) -> Rows:
        """What was known of every lead before t, as rows of the feature table; leads without an event have none in it."""
        table = self._table()
        self._fold(table, Followed(), np.arange(int(np.searchsorted(self.seen, t, "left"))))
        return table.rows[: len(self.keys)]

    def rows_at(self, t: float, label: Label) -> Rows:
        """Rows of the leads that could be judged at t, as they were then."""
        rows = self.known_rows(t)
        return rows[self.eligible(t, label) & (rows["events"] > 0)]

    def _moments(self, positions: Ints) -> Moments:
        """What the messages at these positions tell of, by time."""
        positions = positions[np.argsort(self.batch.times[positions], kind="stable")]
        times, known = self.batch.times[positions], self.seen[positions]
        return Moments(self.batch.rows[positions], times, known if (known > times).any() else None)

    def _closed(self) -> Closed:
        b, closings = self.batch, np.array(list(self._closings), np.int64)
        if not len(closings):
            return NOBODY
        first = np.full(len(self.keys), np.inf)
        np.minimum.at(first, b.rows[closings], self.seen[closings])
        positions = np.union1d(closings, np.flatnonzero(b.keys & (b.times >= first[b.rows])))
        told = _once(b, positions)
        columns = (b.rows[told], b.times[told], self.seen[told], np.isin(told, closings))
        return closed(Told(*one) for one in zip(*(column.tolist() for column in columns), strict=True))

    def _table(self) -> FeatureTable:
        table = FeatureTable(max(len(self.keys), 1))
        for key in self.keys:
            table.row_of(key)
        return table

    def _fold(self, table: FeatureTable, followed: Followed, positions: Ints) -> None:
        """Fold the messages at these positions; the journeys are followed as the rules do, after each message."""
        b = self.batch
        for start in range(0, len(positions), FOLD_AT_ONCE):
            part = positions[start : start + FOLD_AT_ONCE]
            columns = (b.rows, b.times, b.families, b.keys, b.cents, b.moods, b.fingerprints, b.counts)
            batch = _batch([column[part] for column in columns])
            for wave in waves(batch.rows):
                after, new = fold_wave(table, batch, wave)
                for i in np.flatnonzero(new & self._is_step[part[wave]]).tolist():
                    self._follow(table, followed, int(part[wave[i]]), float(after["first"][i]))

    def _follow(self, table: FeatureTable, followed: Followed, position: int, first: float) -> None:
        lead, held = int(self.batch.rows[position]), table.rows
        was = Standing(int(held["stuck_from"][lead]), int(held["backward"][lead]))
        journey, step = self._steps[position]
        now = followed.take(journey, lead, step, float(self.batch.times[position]), first, was)
        held["stuck_from"][lead], held["backward"][lead] = now


def _once(batch: Batch, positions: Ints) -> Ints:
    """Of these positions, rising, without those of copies: a copy closes nobody anew, and brings nobody back."""
    whose = np.stack([batch.rows[positions].astype(np.uint64), batch.fingerprints[positions]])
    return positions[np.sort(np.unique(whose, axis=1, return_index=True)[1])]


def _batch(columns: Sequence[Any]) -> Batch:
    """Arrays in the order of `Batch`, which takes them as they are."""
    return Batch(*columns)
