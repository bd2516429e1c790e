"""What the processes left behind against the sequential oracle: `streams.replay` over the same log."""

import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from aiokafka import ConsumerRecord

from agents.writer import partition_for
from schemas import topics
from schemas.dead_letters import DeadLetter
from schemas.units import Channel
from streams import state as durable
from streams.env import EVERYONE, Env
from streams.features import ROW
from streams.partition import Message
from streams.policy import Policy
from streams.replay import Replayed, replay
from streams.retry import RETRY_RULES
from streams.risk import RuleScorer, Scorer
from tests.faults.logs import BARRIER, Logs
from tests.faults.traffic import GARBAGE

ONE_BY_ONE = 30_000
POISON = b'"poison-'
"""Stands in records that end the process which folds them, where it has this trouble:"""
DEADLY = f"poison:{POISON.decode()}"


@dataclass
class Verdict:
    """Differences between product and oracle. All zero but `repeats` for an engine that keeps its promise."""

    missing: Counter[str]
    """Records that never came out, by topic."""
    alien: Counter[str]
    """Records with an id the oracle does not know, by topic."""
    changed: Counter[str]
    """Records whose content differs under the same id."""
    repeats: Counter[str]
    """Records that came again, the same to the byte."""
    wrong_states: int
    """Leads and markers whose final state differs, to the byte."""

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing doubled under another id, no state wrong."""
        return not (self.missing or self.alien or self.changed or self.wrong_states)


MAY_COME_AGAIN: dict[str, Callable[[int], int]] = {
    "email": lambda doubts: min(doubts, 1),
    "webhook": lambda doubts: min(doubts, RETRY_RULES[Channel.WEBHOOK].attempts - 1),
    "in_app": lambda _: 0,
}
"""How often a message may come again by channel, with so many doubts in the ledger. In-app messages have their place by id."""


@dataclass
class Calls:
    """What reached the providers and should not have, or should have and did not."""

    lost: set[str]
    """Sent, says the ledger, but the provider knows nothing of it."""
    doubled: set[str]
    """Reached the provider more often than the ledger's doubts about it allow."""
    strange: set[str]
    """Reached the provider without any command."""
    refused: set[str]
    """Given up, says the ledger, though the provider was not told to refuse any."""
    seen: int
    """Different messages at the providers."""
    ended: Counter[str]
    """Commands by how they ended."""

    @property
    def clean(self) -> bool:
        """Each command once, each repetition accounted for."""
        return not (self.lost or self.doubled or self.strange or self.refused)


def judge_calls(
    logs: "Logs",
    seen: Mapping[str, Counter[str]],
    channels: Iterable[str],
    *,
    redis_forgot: bool,
    refusing: Container[str] = (),
) -> Calls:
    """Compare what the providers keep with ledger and commands; `refusing`: channels whose provider takes some never.

    In-app messages live in Redis: where a fault has emptied it, those may be gone, but none may be there twice.
    """
    sent = {i for i, entry in logs.ledger.items() if entry["state"] == "sent"}
    again = {i: int(str(entry["in_doubt_resends"])) for i, entry in logs.ledger.items()}
    calls = Calls(set(), set(), set(), set(), 0, Counter())
    rejected = {i for i, entry in logs.ledger.items() if entry["state"] == "rejected"}
    for channel in channels:
        found, commands = seen[channel], logs.commands.get(channel, set())
        if channel != "in_app" or not redis_forgot:
            calls.lost |= {i for i in sent & commands if not found[i]}
        calls.doubled |= {i for i, n in found.items() if n > 1 + MAY_COME_AGAIN[channel](again.get(i, 0))}
        calls.strange |= found.keys() - commands
        calls.refused |= set() if channel in refusing else rejected & commands
        calls.seen += len(found)
        calls.ended.update(str(logs.ledger[i]["state"]) for i in commands & logs.ledger.keys())
    return calls


def oracle(
    log: Iterable[ConsumerRecord], partitions: int, policy: Policy, scorers: Mapping[str, Scorer] | None = None
) -> Replayed:
    """The fold over the log, one record after another; but for those that nobody can fold: they are dead-lettered.

    A long log is folded in rounds of 500: one by one it costs a millisecond a record, and tests/laws proves that it is
    the same.
    """
    known: dict[str, Scorer] = {"": RuleScorer(), RuleScorer.version: RuleScorer(), **(scorers or {})}
    env = Env(
        {"": {EVERYONE: policy}}, known, home=partial(partition_for, partitions=partitions), partitions=partitions
    )
    by_partition: dict[int, list[Message]] = {n: [] for n in range(partitions)}
    for r in sorted(log, key=lambda r: (r.partition, r.offset)):
        by_partition[r.partition].append(Message(r.offset, r.timestamp, r.key, r.value))
    short = sum(map(len, by_partition.values())) <= ONE_BY_ONE
    poison = {n: {m.offset for m in some if POISON in (m.value or b"")} for n, some in by_partition.items()}
    return replay(by_partition, env, round_size=1 if short else 500, condemned=poison)


def judge(
    wanted: Replayed,
    outputs: Iterable[ConsumerRecord],
    states: Iterable[ConsumerRecord],
    prefix: str,
    *,
    newer_build: bool = False,
) -> Verdict:
    """Compare everything the lead agents wrote with what the oracle would have written.

    Where a newer build was at work, what it adds to a state is left out.
    """
    truth: dict[tuple[str, str], bytes | None] = {}
    for out in wanted.outputs:
        truth[out.topic, _identity(out.value, out.headers or [])] = out.value
    found: Counter[tuple[str, str]] = Counter()
    changed: Counter[str] = Counter()
    for record in outputs:
        topic = record.topic.removeprefix(prefix)
        name = (topic, _identity(record.value, record.headers))
        found[name] += 1
        changed[topic] += name in truth and truth[name] != record.value
    latest: dict[tuple[int, bytes], bytes | None] = {}
    for record in sorted(states, key=lambda r: (r.partition, r.offset)):
        if record.key != BARRIER:
            latest[record.partition, record.key] = record.value
    held = {place: value for place, value in latest.items() if value is not None}
    if newer_build:
        held = {place: _as_this_build_writes(place[1], value) for place, value in held.items()}
    should = {(n, key): value for n, state in wanted.state.items() for key, value in state.items()}
    return Verdict(
        missing=Counter(topic for topic, name in truth if (topic, name) not in found),
        alien=Counter(topic for topic, name in found if (topic, name) not in truth),
        changed=+changed,
        repeats=Counter({topic: n for topic, n in _repeats(found).items() if n}),
        wrong_states=sum(held.get(place) != should.get(place) for place in held.keys() | should.keys()),
    )


def _as_this_build_writes(key: bytes, value: bytes) -> bytes:
    """The same state without what a newer build had added to it, if one had."""
    known = durable.encode_partition(durable.decode_partition(value)) if key == durable.PARTITION_KEY else _lead(value)
    return known if len(known) < len(value) else value


def _lead(value: bytes) -> bytes:
    row, data = durable.decode_lead(value)
    record = None if data is None else durable.encode_record(durable.decode_record(data))
    return durable.encode_leads(np.array([row], ROW), [record])[0]


def mislaid(logs: Logs) -> int:
    """Records of the inbox that are garbage and no dead letter, or no garbage and one: the fold has no say in what is garbage."""
    bad = {
        (r.partition, r.offset) for r in logs[topics.EVENTS] if GARBAGE[0] in r.headers or POISON in (r.value or b"")
    }
    letters = [DeadLetter.from_headers(r.headers) for r in logs[topics.EVENTS_DLQ]]
    return len(bad ^ {(one.partition, one.offset) for one in letters})


def _repeats(found: Counter[tuple[str, str]]) -> Counter[str]:
    again: Counter[str] = Counter()
    for (topic, _), n in found.items():
        again[topic] += n - 1
    return again


def _identity(value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> str:
    """The id of a record; for a dead letter that of its headers. An escalation is told again when it changes state."""
    found = list(headers)
    if found:
        return DeadLetter.from_headers(found).id
    body = json.loads(value or b"{}")
    return f"{body['type']}:{body['id']}:{body.get('status', '')}"
