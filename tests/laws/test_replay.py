"""Replay equals live: where a round was cut, and where a worker crashed, does not matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.snapshots import ActivityLog
from agents.train import train
from streams.env import Env
from streams.features import DAY
from streams.lead import Message, Out, Partition, fold, fold_together
from streams.replay import replay
from tests.laws.histories import MODEST, histories
from tests.laws.world import ENV
from tests.planted import LABEL, POLICY, planted_log
from tests.planted import START as START_OF_PLANTED
from tests.worlds import START, message

Changelog = dict[bytes, bytes]
Seen = set[tuple[str, bytes | None, bytes | None]]


@MODEST
@given(log=histories(), size=st.integers(2, 40))
def test_where_a_round_was_cut_does_not_matter(log: list[Message], size: int) -> None:
    """A round of n equals n rounds of one: the outputs of each topic in order, and state to the byte."""
    whole, single, some = replay({0: log}, ENV, len(log)), replay({0: log}, ENV, 1), replay({0: log}, ENV, size)
    assert _by_topic(whole.outputs) == _by_topic(single.outputs) == _by_topic(some.outputs)
    assert whole.state == single.state == some.state


@pytest.fixture(scope="module")
def learned() -> Env:
    """A world that is judged by a trained model: what it explains, it explains for several leads at once."""
    model = train(ActivityLog.read(planted_log(), POLICY), LABEL, until=START_OF_PLANTED.timestamp() + 240 * DAY)
    return replace(ENV, scorers={**ENV.scorers, "": model.scorer()})


def test_nor_does_it_where_a_trained_model_explains(learned: Env) -> None:
    """Effects, forecasts and the moment to compare with are the same for a lead alone and among others."""
    log = _many_go_quiet()
    whole, single, some = (
        replay({0: log}, learned, len(log)),
        replay({0: log}, learned, 1),
        replay({0: log}, learned, 7),
    )
    explained = [out for out in whole.outputs if b'"insight"' in (out.value or b"")]
    assert len(explained) > 100
    assert whole.outputs == single.outputs == some.outputs
    assert whole.state == single.state == some.state


def _many_go_quiet() -> list[Message]:
    """Sixty leads with a few events each in forty days, and a tick every other day: many change their stage at the same time."""
    chance = np.random.default_rng(5)
    kinds = [{"type": "item_viewed", "item": "x"}, {"type": "appointment_missed"}, {"type": "ticket_opened"}]
    told: list[tuple[float, dict[str, Any]]] = [
        (day, {**kinds[int(kind)], "tenant": "acme", "lead": f"L{n}"})
        for n in range(60)
        for day, kind in zip(chance.uniform(0, 40, 4), chance.integers(0, 3, 4), strict=True)
    ]
    told += [(float(day), {"type": "tick", "partition": 0}) for day in range(0, 60, 2)]
    log = []
    for i, (day, body) in enumerate(sorted(told, key=lambda each: each[0])):
        at = START + timedelta(days=day)
        log.append(message(i, {**body, "id": f"e{i}", "at": at.isoformat()}, at))
    return log


def test_a_lead_is_born_by_its_first_message_also_in_one_round() -> None:
    """Its life, and so all its ids, is named by the first of several messages that come together."""
    about = {"type": "item_viewed", "tenant": "acme", "lead": "new", "item": "x", "at": START.isoformat()}
    log = [message(i, {**about, "id": f"first-{i}"}, START) for i in range(3)]
    whole, single = replay({0: log}, ENV, 3), replay({0: log}, ENV, 1)
    assert whole.outputs
    assert (whole.outputs, whole.state) == (single.outputs, single.state)


@MODEST
@given(logs=st.lists(histories(), min_size=2, max_size=3), size=st.integers(1, 40))
def test_partitions_folded_together_are_folded_alike(logs: list[list[Message]], size: int) -> None:
    """What else is in a round, and by which models it is judged, changes nothing for a partition."""
    together = [Partition(number) for number in range(len(logs))]
    outputs: list[list[Out]] = [[] for _ in logs]
    for start in range(0, max(map(len, logs)), size):
        work = [(p, log[start : start + size]) for p, log in zip(together, logs, strict=True)]
        for said, folded in zip(outputs, fold_together(work, ENV), strict=True):
            said.extend(folded.outputs)
    for number, log in enumerate(logs):
        alone = Partition(number)
        assert _by_topic(outputs[number]) == _by_topic(fold(alone, log, ENV).outputs)
        assert _everything(together[number]) == _everything(alone)


ROUNDS = st.lists(st.tuples(st.integers(1, 60), st.none() | st.integers(0, 2**16 - 1), st.integers(0, 20)), max_size=12)
"""Rounds: messages; None, or which of its leads got to the changelog before a crash; how far reading goes back."""


@MODEST
@given(log=histories(), rounds=ROUNDS)
def test_a_crash_anywhere_leads_to_the_same_end(log: list[Message], rounds: list[tuple[int, int | None, int]]) -> None:
    """With only a part of the round's leads on the changelog and no marker: same state to the byte, same outputs."""
    expected = replay({0: log}, ENV)
    changelog: Changelog = {}
    produced: Seen = set()
    partition, start = Partition(0), 0
    for size, written, back in [*rounds, (len(log), None, 0)]:
        produced |= _seen(fold(partition, log[start : start + size], ENV).outputs)
        leads, last = partition.changes()
        if written is not None:
            kept = [(k, v) for i, (k, v) in enumerate(leads) if v is not None and written >> (i % 16) & 1]
            changelog.update(kept)
            partition, start = _restored(changelog, order=written), max(start - back, 0)
            continue
        for key, value in (*leads, *last):
            if value is None:
                changelog.pop(key, None)
            else:
                changelog[key] = value
        start += size
    assert changelog == expected.state[0]
    assert produced == _seen(expected.outputs)


@MODEST
@given(log=histories(), sizes=st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_a_changelog_is_read_alike_in_pieces_of_any_size(log: list[Message], sizes: list[int]) -> None:
    """With all that was ever written still on it, also what was overwritten and taken back."""
    partition = Partition(0)
    written: list[tuple[bytes, bytes | None, int]] = []
    for start in range(0, len(log), 7):
        fold(partition, log[start : start + 7], ENV)
        leads, last = partition.changes()
        written += [(key, value, len(written)) for key, value in (*leads, *last)]
    single, pieces = Partition(0), Partition(0)
    for record in written:
        single.restore([record])
    at = 0
    while at < len(written):
        for size in sizes:
            pieces.restore(written[at : at + size])
            at += size
    assert _everything(single) == _everything(pieces) == _everything(partition)


def _everything(partition: Partition) -> Changelog:
    partition.touch_all(np.array(list(partition.table.index.values()), np.int64))
    leads, last = partition.changes()
    return {key: value for key, value in (*leads, *last) if value is not None}


def _by_topic(outputs: Sequence[Out]) -> dict[str, list[Out]]:
    return {topic: [o for o in outputs if o.topic == topic] for topic in {o.topic for o in outputs}}


def _restored(changelog: Changelog, order: int) -> Partition:
    """A new process: reads the changelog, whose order of keys is not the order in which leads first came."""
    partition = Partition(0)
    keys = sorted(changelog, reverse=bool(order & 1))
    partition.restore([(key, changelog[key], 0) for key in keys])
    return partition


def _seen(outputs: Sequence[Out]) -> Seen:
    return {(o.topic, o.key, o.value) for o in outputs}
