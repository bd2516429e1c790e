"""The fold: a stretch of the log of one partition in, outputs and changed state out. Start reading here.

A stretch goes through in three strokes: features of all events in columns, one prediction for all of them, then the rules for
those leads where something moves. Where the log was cut into stretches does not change the result, to the byte.
Ticks, activations and erasures end a stretch, since what follows depends on them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from schemas import events as e
from schemas.dead_letters import DeadLetter
from schemas.errors import Rejected
from schemas.topics import EVENTS, EVENTS_DLQ
from streams import state as durable
from streams.env import Env
from streams.features import Batch, Bools, FeatureTable, Floats, Ints, fold_wave, waves
from streams.ids import derive, fingerprint
from streams.rules import Case, Desk, Out
from streams.silence import FIRST_LOOK, next_looks
from streams.validate import check_home, parse
from streams.vector import NAMES, vectors
from streams.vocabulary import Meaning, meaning

WATCHED = 1
"""Bit of `flags`: the lead's record has something that any activity may change."""


EPOCH_BITS = 48
"""The log's epoch stands above this many bits of a message's offset: a topic recreated on purpose goes on in a new epoch."""


class Message(NamedTuple):
    """One record of the inbox. `offset` is `epoch << EPOCH_BITS | offset in the topic`."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


class Event(NamedTuple):
    """A valid message about a lead, found its row."""

    offset: int
    now: float
    at: float
    row: int
    body: e.AboutLead
    meaning: Meaning | None


@dataclass
class Folded:
    """What one stretch led to. `rejected` names the offsets that were dead-lettered; `tally` counts for metrics."""

    outputs: list[Out] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    tally: Counter[tuple[str, ...]] = field(default_factory=Counter)


class Partition:
    """Everything known of the leads of one inbox partition. The fold changes it in place; `changes` tells what to make durable."""

    def __init__(self, number: int) -> None:
        """Empty, as before the first record."""
        self.number = number
        self.table = FeatureTable()
        self.records: dict[int, bytes] = {}
        self.state = durable.PartitionState()
        self._touched: set[int] = set()
        self._forgotten: set[bytes] = set()

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Apply one record of the changelog, unless it is older than what is held: the last write of a paused former owner
        may come after its successor's. Raises StateUnreadable when it is damaged.
        """
        if key == durable.PARTITION_KEY:
            state = durable.decode_partition(value or b"")
            if state.applied >= self.state.applied:
                self.state = state
            return
        if value is None:
            if key in self.table.index:
                self.records.pop(self.table.index[key], None)
                self.table.forget(key)
            return
        data, record = durable.decode_lead(value)
        row = self.table.row_of(key)
        if data["guard"] < self.table.rows["guard"][row]:
            return
        self.table.rows[row] = data
        self.table.due[row] = data["due"]
        if record is None:
            self.records.pop(row, None)
        else:
            self.records[row] = record

    def changes(self) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes | None]]]:
        """What changed since the last call: leads, and what must come after them on the changelog (tombstones, the marker).

        The marker says that everything up to `applied` is on the changelog, so it has to be written last; a tombstone with it,
        since a forgotten lead has no guard of its own.
        """
        rows = np.fromiter(self._touched, np.int64, len(self._touched))
        rows.sort()
        self.table.rows["due"][rows] = self.table.due[rows]
        values = durable.encode_leads(self.table.rows[rows], [self.records.get(r) for r in rows.tolist()])
        keys = [self.table.keys[r] or b"" for r in rows.tolist()]
        last: list[tuple[bytes, bytes | None]] = [(k, None) for k in sorted(self._forgotten - set(keys))]
        last.append((durable.PARTITION_KEY, durable.encode_partition(self.state)))
        self._touched.clear()
        self._forgotten.clear()
        return list(zip(keys, values, strict=True)), last

    def touch(self, row: int) -> None:
        """This lead's state has to go to the changelog."""
        self._touched.add(row)

    def forget(self, row: int) -> None:
        """Remove a lead for good."""
        key = self.table.keys[row]
        assert key is not None
        self.records.pop(row, None)
        self._touched.discard(row)
        self._forgotten.add(key)
        self.table.forget(key)


def fold(partition: Partition, messages: Sequence[Message], env: Env) -> Folded:
    """Apply messages (rising offsets) to a partition.

    Messages at or below `partition.state.applied` are skipped; so are those that a lead's guard has seen, and such a lead is
    made durable again, as the changelog might lack it.
    """
    done = Folded()
    stretch: list[Event] = []
    for message in messages:
        if message.offset <= partition.state.applied:
            done.tally["skipped", "applied"] += 1
            continue
        try:
            body, at = parse(message.key, message.value, message.timestamp_ms)
            control = isinstance(body, e.Tick | e.Activate)
            if not control and env.home and message.key not in partition.table.index:
                check_home(message.key or b"", partition.number, env.home)
        except Rejected as rejected:
            done.outputs.append(dead_letter(partition.number, message, rejected))
            done.rejected.append(message.offset)
            done.tally["rejected", rejected.reason] += 1
            partition.state.applied = message.offset
            continue
        partition.state.now = max(partition.state.now, at)
        done.tally["events", body.type] += 1
        if isinstance(body, e.Tick | e.Activate):
            _fold_stretch(partition, stretch, env, done)
            stretch = []
            if isinstance(body, e.Tick):
                _fold_tick(partition, message.offset, body.id, env, done)
            else:
                partition.state.policy = body.policy if body.policy is not None else partition.state.policy
                partition.state.model = body.model if body.model is not None else partition.state.model
                partition.state.acting = body.acting if body.acting is not None else partition.state.acting
        else:
            policy = env.policy(partition.state.policy, body.tenant)
            known = meaning(body, policy.kinds) if isinstance(body, e.Activity) else None
            row = partition.table.row_of(message.key or b"")
            stretch.append(Event(message.offset, partition.state.now, at, row, body, known))
            if isinstance(body, e.EraseLead):
                _fold_stretch(partition, stretch, env, done)
                stretch = []
        partition.state.applied = message.offset
    _fold_stretch(partition, stretch, env, done)
    return done


def _fold_stretch(partition: Partition, stretch: list[Event], env: Env, done: Folded) -> None:
    """Events without a tick between them: features, one prediction, rules."""
    if not stretch:
        return
    table = partition.table
    guards = table.rows["guard"]
    fresh = [event for event in stretch if event.offset > guards[event.row]]
    for event in stretch:
        partition.touch(event.row)
    if len(fresh) < len(stretch):
        done.tally["skipped", "guard"] += len(stretch) - len(fresh)
    activity = [event for event in fresh if event.meaning is not None]
    x, new, p = _features_and_risk(partition, activity, env)
    at = dict(zip((event.offset for event in activity), range(len(activity)), strict=True))
    moving = _moving(partition, activity, new, p, env) | {event.row for event in fresh if event.meaning is None}
    for event in fresh:
        i, body = at.get(event.offset), event.body
        table.rows["guard"][event.row] = event.offset
        if i is not None and not new[i]:
            done.tally["duplicates",] += 1
            continue
        if i is not None and event.row not in moving:
            continue
        case = Case(_desk(partition, body.tenant, event.now, env, done), event.row, body.tenant, body.lead, body.id)
        if i is None or event.meaning is None:
            _hear(case, partition, event)
            continue
        case.on_activity(body, event.meaning, event.at)
        case.assess(x[i], float(p[i]))
        case.finish()
    if activity:
        times = np.array([event.now for event in activity])
        np.minimum.at(table.due, np.array([event.row for event in activity])[new], times[new] + FIRST_LOOK)


def _features_and_risk(partition: Partition, activity: list[Event], env: Env) -> tuple[Floats, Bools, Floats]:
    """First and second stroke: fold all activity in waves, keep the vector after each event, predict all at once."""
    batch = Batch(
        [event.row for event in activity],
        [event.at for event in activity],
        [event.meaning.family for event in activity if event.meaning],
        [event.meaning.key for event in activity if event.meaning],
        [event.meaning.cents for event in activity if event.meaning],
        [event.meaning.mood for event in activity if event.meaning],
        [fingerprint(event.body.id) for event in activity],
    )
    x = np.empty((len(activity), len(NAMES)))
    new = np.zeros(len(activity), np.bool_)
    times = np.array([event.now for event in activity])
    for wave in waves(batch.rows):
        after, fresh = fold_wave(partition.table, batch, wave)
        x[wave] = vectors(after, times[wave])
        new[wave] = fresh
    scorer = env.scorers[partition.state.model]
    p = scorer.score(x) if len(x) else np.zeros(0)
    return x, new, p


def _moving(partition: Partition, activity: list[Event], new: Bools, p: Floats, env: Env) -> set[int]:
    """Rows for which any event of the stretch may change stage, published risk or an open matter.

    Judged by the state before the stretch: a lead that is not among them cannot have changed in between.
    """
    if not activity:
        return set()
    rows = np.array([event.row for event in activity])
    policies = [env.policy(partition.state.policy, event.body.tenant) for event in activity]
    enter = np.array([policy.stages.enter for policy in policies])
    leave = enter - np.array([policy.stages.hysteresis for policy in policies])[:, None]
    least = np.array([policy.publish.min_change for policy in policies])
    held = partition.table.rows[rows]
    stage = held["stage"].astype(np.int64)
    up, stay = (p[:, None] >= enter).sum(axis=1), (p[:, None] >= leave).sum(axis=1)
    moves = (up > stage) | (stay < stage) | (np.abs(p - held["published"]) >= least)
    moves |= (held["seq"] == 0) | ((held["flags"] & WATCHED) > 0)
    return set(rows[moves & new].tolist())


def _hear(case: Case, partition: Partition, event: Event) -> None:
    """Messages that are no activity: profile, consent, receipts, orders, closing, erasure."""
    match event.body:
        case e.ProfileUpdated():
            case.on_profile(event.body)
        case e.ConsentChanged():
            case.on_consent(event.body)
        case e.Receipt():
            case.on_receipt(event.body)
        case e.LeadClosed():
            case.on_closed(event.body)
        case e.EraseLead():
            case.on_erase()
            partition.forget(event.row)
            return
        case _:
            case.on_order(event.body)
    case.finish()


def _fold_tick(partition: Partition, offset: int, cause: str, env: Env, done: Folded) -> None:
    """Time has passed: look at the leads whose time has come, all in one prediction."""
    table, now = partition.table, partition.state.now
    due = table.due_rows(now)
    due = due[table.rows["guard"][due] < offset]
    if not len(due):
        return
    scorer = env.scorers[partition.state.model]
    done.tally["looks",] += len(due)
    held = table.rows[due]
    x = vectors(held, np.maximum(now, held["last"]))
    p = scorer.score(x)
    names = [(table.keys[row] or b"").decode().split(":", 1) for row in due.tolist()]
    desks = [_desk(partition, tenant, now, env, done) for tenant, _ in names]
    enter = np.array([desk.policy.stages.enter for desk in desks])

    def stage_at(positions: Ints, times: Floats) -> Ints:
        later = scorer.score(vectors(held[positions], times))
        return np.asarray((later[:, None] >= enter[positions]).sum(axis=1))

    looks = next_looks(held["last"], now, (p[:, None] >= enter).sum(axis=1), stage_at)
    for i, (row, (tenant, lead)) in enumerate(zip(due.tolist(), names, strict=True)):
        table.rows["guard"][row] = offset
        partition.touch(row)
        case = Case(desks[i], row, tenant, lead, cause)
        if case.is_over():
            partition.forget(row)
            continue
        live = bool(held["events"][i]) and case.is_live()
        table.due[row] = looks[i] if live else np.inf
        if live:
            case.assess(x[i], float(p[i]))
        case.finish()


def _desk(partition: Partition, tenant: str, now: float, env: Env, done: Folded) -> Desk:
    return Desk(
        policy=env.policy(partition.state.policy, tenant),
        scorer=env.scorers[partition.state.model],
        table=partition.table,
        records=partition.records,
        now=now,
        acting=partition.state.acting,
        outputs=done.outputs,
        tally=done.tally,
    )


def dead_letter(partition: int, message: Message, rejected: Rejected) -> Out:
    """The record as it came, with what is wrong in its headers."""
    offset = message.offset & ((1 << EPOCH_BITS) - 1)
    letter = DeadLetter(
        id=derive("dlq", EVENTS.name, partition, message.offset),
        reason=rejected.reason,
        field=rejected.field,
        message=rejected.message,
        remedy=rejected.remedy,
        topic=EVENTS.name,
        partition=partition,
        offset=offset,
        timestamp_ms=message.timestamp_ms,
    )
    return Out(EVENTS_DLQ.name, message.key, message.value, letter.headers())
