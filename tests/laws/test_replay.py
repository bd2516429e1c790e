"""Replay equals live: where a round was cut, and where a worker crashed, does not matter."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from streams.lead import Message, Partition, fold
from streams.replay import replay
from streams.rules import Out
from tests.laws.histories import ENV, histories

Changelog = dict[bytes, bytes]
Seen = set[tuple[str, bytes | None, bytes | None]]


@given(log=histories(), size=st.integers(2, 40))
def test_where_a_round_was_cut_does_not_matter(log: list[Message], size: int) -> None:
    """A round of n equals n rounds of one: outputs in order, and state to the byte."""
    whole, single, some = replay({0: log}, ENV, len(log)), replay({0: log}, ENV, 1), replay({0: log}, ENV, size)
    assert whole.outputs == single.outputs == some.outputs
    assert whole.state == single.state == some.state


@given(log=histories(), data=st.data())
def test_a_crash_anywhere_leads_to_the_same_end(log: list[Message], data: st.DataObject) -> None:
    """Crashes with only a part of the round's leads on the changelog and no marker: same state to the byte, same outputs."""
    expected = replay({0: log}, ENV)
    changelog: Changelog = {}
    produced: Seen = set()
    partition, start = Partition(0), 0
    while start < len(log):
        size = data.draw(st.integers(1, len(log)), label="round")
        produced |= _seen(fold(partition, log[start : start + size], ENV).outputs)
        leads, last = partition.changes()
        if data.draw(st.integers(0, 2), label="crash") == 0:
            written = data.draw(st.sets(st.integers(0, max(len(leads) - 1, 0))), label="written")
            changelog.update(change for i, change in enumerate(leads) if i in written)
            partition = _restored(changelog, data.draw(st.randoms(use_true_random=False)).sample)
            start = data.draw(st.integers(max(start - 20, 0), start), label="from")  # what was read twice overlaps
            continue
        changelog.update(leads)
        for key, value in last:
            if value is None:
                changelog.pop(key, None)
            else:
                changelog[key] = value
        start += size
    assert changelog == expected.state[0]
    assert produced == _seen(expected.outputs)


def _restored(changelog: Changelog, shuffled: object) -> Partition:
    """A new process: reads the changelog, whose order of keys is not the order in which leads first came."""
    partition = Partition(0)
    keys = shuffled(sorted(changelog), len(changelog))  # type: ignore[operator]
    for key in keys:
        partition.restore(key, changelog[key])
    return partition


def _seen(outputs: Sequence[Out]) -> Seen:
    return {(o.topic, o.key, o.value) for o in outputs}
