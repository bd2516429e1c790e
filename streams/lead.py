"""The fold: a stretch of the log of one partition in, outputs and changed state out. Start reading here.

Each message is validated; events about leads are gathered into stretches (`stretch.py`), which ticks (`sweep.py`),
activations and erasures end, since what follows depends on them. Where the log was cut into rounds does not change
the result, to the byte.
"""

from collections.abc import Mapping, Sequence

from schemas import events as e
from schemas.dead_letters import DeadLetter
from schemas.errors import Rejected
from schemas.topics import EVENTS, EVENTS_DLQ
from streams.env import Env
from streams.ids import derive
from streams.outbox import say_of_addresses
from streams.partition import EPOCH_BITS, Folded, Message, Out, Partition
from streams.policy import Policy
from streams.rollout import activate, versions_of
from streams.state import NO_TICK
from streams.stretch import Stretch, fold_stretches
from streams.strokes import Columns
from streams.suppression import ordered
from streams.sweep import fold_tick
from streams.validate import check_control, check_home, parse
from streams.vocabulary import Kind, ReadMood, meaning
from streams.wants import ANYBODYS, Wants

__all__ = ["EPOCH_BITS", "FITS", "Folded", "Message", "Out", "Partition", "dead_letter", "fold", "fold_together"]

ABOUT_THE_PAST = frozenset(
    {
        e.Receipt,
        e.ApproveIntervention,
        e.AcknowledgeEscalation,
        e.SnoozeEscalation,
        e.ResolveEscalation,
        e.CancelInterventions,
    }
)
"""About a lead that is not known (erased, forgotten) these say nothing, and leave nothing."""


def fold(partition: Partition, messages: Sequence[Message], env: Env) -> Folded:
    """Apply messages (rising offsets) to a partition; see `fold_together`."""
    return fold_together([(partition, messages)], env)[0]


def fold_together(work: Sequence[tuple[Partition, Sequence[Message]]], env: Env) -> list[Folded]:
    """Apply messages (rising offsets) to partitions; the result is that of one after the other, for less.

    Messages at or below `partition.state.applied` are skipped; so are those that a lead's guard has seen, and such a
    lead is made durable again, as the changelog might lack it.
    """
    readers = [Reader(partition, env) for partition, _ in work]
    for reader, (_, messages) in zip(readers, work, strict=True):
        reader.read(messages)
    fold_stretches([reader.stretch() for reader in readers], env)
    return [reader.done for reader in readers]


class Reader:
    """Takes messages of one partition in, and gathers those about leads into stretches."""

    def __init__(self, partition: Partition, env: Env) -> None:
        """Nothing yet."""
        self.done = Folded()
        self._partition, self._env = partition, env
        self._begin()

    def _begin(self) -> None:
        self._columns = Columns.empty()
        self._policies: list[Policy] = []
        self._models: list[str] = []
        self._known: dict[str | tuple[str, ...], tuple[int, Mapping[str, Kind], ReadMood | None, Wants | None]] = {}

    def stretch(self) -> Stretch:
        """What was gathered and is still to be folded."""
        return Stretch(self._partition, self._columns, self._policies, self._models, self.done)

    def read(self, messages: Sequence[Message]) -> None:
        """Take messages in; stretches that something ends are folded at once."""
        partition, env, done = self._partition, self._env, self.done
        state = partition.state
        for message in messages:
            offset, _, key, _ = message
            if offset <= state.applied:
                done.tally["skipped", "applied"] += 1
                continue
            try:
                body, at = _accept(partition, message, env)
            except Rejected as rejected:
                done.outputs.append(dead_letter(partition.number, message, rejected))
                done.rejected.append(offset)
                done.tally["rejected", rejected.reason] += 1
                state.applied = offset
                continue
            state.now = max(state.now, at)
            if e.is_control(body):
                done.tally["events", body.type] += 1
                self._fold()
                if type(body) is e.Tick:
                    fold_tick(partition, offset, body, env, done)
                elif type(body) is e.Activate:
                    _activate(partition, body)
                elif isinstance(body, e.SuppressAddress | e.ReleaseAddress):
                    say_of_addresses(ordered(body, env.address_key, state.now), done.outputs, done.tally)
            elif type(body) in ABOUT_THE_PAST and key not in partition.table.index:
                done.tally["unknown_lead", body.type] += 1
            else:
                self._add(message, body, at)
                if type(body) is e.EraseLead:
                    self._fold()
            state.applied = offset

    def _add(self, message: Message, body: e.AboutLead, at: float) -> None:
        """One more, which came at the partition's stream time and happened `at`."""
        offset, _, key, value = message
        partition, columns = self._partition, self._columns
        state = partition.state
        whose = (
            (body.tenant, *versions_of(state, body.tenant, body.lead))
            if state.policies or state.models
            else body.tenant
        )
        known = self._known.get(whose)
        if known is None:
            versions = versions_of(state, body.tenant, body.lead)
            policy = self._env.policy(versions.policy, body.tenant)
            known = len(self._policies), policy.kinds, self._env.read_mood(policy), policy.wants
            self._known[whose] = known
            self._policies.append(policy)
            self._models.append(versions.model)
        which, kinds, read_mood, wanted = known
        told, asks = None, ANYBODYS
        if e.is_activity(body):
            told = meaning(body, kinds, read_mood)
            if type(body) is not e.MessageReceived or body.in_reply_to is None:
                asks = wanted.hears(body, told) if wanted else 0
        columns.offsets.append(offset)
        columns.now.append(partition.state.now)
        columns.at.append(at)
        columns.rows.append(partition.table.row_of(key or b""))
        columns.ids.append(body.id)
        columns.types.append(body.type)
        columns.meanings.append(told)
        columns.asks.append(asks)
        columns.policies.append(which)
        columns.values.append(value or b"")

    def _fold(self) -> None:
        fold_stretches([self.stretch()], self._env)
        self._begin()


def _activate(partition: Partition, order: e.Activate) -> None:
    """Judge by other versions from here on; under new ones every lead is looked at again, by and by (`sweep`)."""
    state = partition.state
    if activate(state, order):
        state.activated, state.spread, state.ticked = state.now, order.within_minutes * 60, NO_TICK


def _accept(partition: Partition, message: Message, env: Env) -> tuple[e.LeadEvent, float]:
    """The event and its time; Rejected when it cannot be used here."""
    body, at = parse(message.key, message.value, message.timestamp_ms)
    if e.is_control(body):
        check_control(body, partition.number, env)
    elif env.home and message.key not in partition.table.index:
        check_home(message.key or b"", partition.number, env.home)
    return body, at


FITS = 1_046_000
"""Bytes of key and value that fit beside the headers into a record of 1 MiB; compressed senders get more past the broker."""
KEY_FITS = 65_536


def dead_letter(partition: int, message: Message, rejected: Rejected) -> Out:
    """The record as it came, with what is wrong in its headers. What could not be written again is cut, and says so."""
    key, value = message.key and message.key[:KEY_FITS], message.value
    room = FITS - len(key or b"")
    cut = len(value) if value is not None and len(value) > room else 0
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
        cut_from=cut,
    )
    return Out(EVENTS_DLQ.name, key, value[:room] if cut and value else value, letter.headers())
