"""Each bad record ends as one dead letter that says what is wrong; nothing raises, nothing is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.dead_letters import DeadLetter
from schemas.errors import RejectReason
from schemas.topics import EVENTS, EVENTS_DLQ
from streams.env import Env
from streams.lead import FITS, Message, Partition, fold
from tests.bad_input import BAD, NOT_THERE, NOW, ODD_BUT_VALID, SECRET, Bad, raw
from tests.worlds import env

ENV = env()
MS = int(NOW.timestamp() * 1000)
ALL = [*BAD, *NOT_THERE]


@pytest.mark.parametrize("bad", ALL, ids=lambda b: b.name)
def test_bad_input_ends_as_one_dead_letter(bad: Bad) -> None:
    """With typed reason, field and remedy; the original bytes; the source position; and without repeating values."""
    partition = Partition(0)
    done = fold(partition, [Message(5, MS, bad.key, bad.value)], ENV)
    kept = bad.value and bad.value[: FITS - len(bad.key or b"")]  # what could not be written again is cut, and says so
    assert [(o.topic, o.key, o.value) for o in done.outputs] == [(EVENTS_DLQ.name, bad.key, kept)]
    assert done.rejected == [5]
    letter = DeadLetter.from_headers(done.outputs[0].headers or [])
    assert letter.cut_from == (len(bad.value) if bad.value != kept and bad.value else 0)
    assert (letter.reason, letter.field) == (bad.reason, bad.field)
    assert (letter.topic, letter.partition, letter.offset, letter.timestamp_ms) == (EVENTS.name, 0, 5, MS)
    assert letter.message
    assert letter.remedy
    assert SECRET not in letter.message + letter.remedy
    assert len(partition.table) == 0, "it left no lead behind"
    assert partition.state.applied == 5


@pytest.mark.parametrize("bad", ALL, ids=lambda b: b.name)
def test_a_valid_event_after_bad_input_still_works(bad: Bad) -> None:
    """In the same round, and with valid ones before it."""
    partition = Partition(0)
    messages = [
        Message(0, MS, b"acme:L1", raw(id="before")),
        Message(1, MS, bad.key, bad.value),
        Message(2, MS, b"acme:L1", raw(id="after")),
    ]
    done = fold(partition, messages, ENV)
    assert done.rejected == [1]
    assert int(partition.table.rows["events"][0]) == 2
    assert partition.state.applied == 2


def test_all_of_it_at_once() -> None:
    """None is lost and none stands twice: as many dead letters as bad records, in order."""
    messages = [Message(i, MS, bad.key, bad.value) for i, bad in enumerate(ALL)]
    done = fold(Partition(0), messages, ENV)
    letters = [DeadLetter.from_headers(o.headers or []) for o in done.outputs]
    assert [(x.offset, x.reason, x.field) for x in letters] == [(i, b.reason, b.field) for i, b in enumerate(ALL)]
    assert len({x.id for x in letters}) == len(ALL)


def test_the_table_is_wide_enough() -> None:
    """At least 40 kinds, under different names, and each reason that the inbox can give."""
    assert len({b.name for b in ALL}) == len(ALL) >= 40
    told = {b.reason for b in ALL} | {RejectReason.UNKNOWN_KIND, RejectReason.BROKEN_ROW}  # those are for files
    assert told == set(RejectReason) - {RejectReason.CRASH}  # which nothing in a record tells (test_poison.py)


@pytest.mark.parametrize("name", ODD_BUT_VALID)
def test_odd_but_valid_input_is_folded(name: str) -> None:
    """What only looks wrong is not refused."""
    partition = Partition(0)
    done = fold(partition, [Message(0, MS, b"acme:L1", ODD_BUT_VALID[name])], ENV)
    assert done.rejected == []
    assert len(partition.table) == 1


def test_a_record_on_the_wrong_partition_is_refused() -> None:
    """The sender hashes in another way than murmur2; a lead already held here is not asked again."""
    world = replace(ENV, home=lambda _: 3)
    assert isinstance(world, Env)
    for number, expected in ((0, [0]), (3, [])):
        done = fold(Partition(number), [Message(0, MS, b"acme:L1", raw())], world)
        assert done.rejected == expected
    letter = DeadLetter.from_headers(
        fold(Partition(0), [Message(0, MS, b"acme:L1", raw())], world).outputs[0].headers or []
    )
    assert (letter.reason, letter.field) == (RejectReason.WRONG_PARTITION, "key")
    assert "murmur2" in letter.remedy


def test_a_record_without_a_timestamp_is_judged_by_its_own_time() -> None:
    """Brokers give -1 where a very old producer set no timestamp."""
    done = fold(Partition(0), [Message(0, -1, b"acme:L1", raw())], ENV)
    assert done.rejected == []


def test_what_no_batch_could_hold_is_cut_and_says_so() -> None:
    """A compressed sender gets 3 MB past the broker; the dead letter fits into 1 MiB and names the full size."""
    done = fold(Partition(0), [Message(0, MS, b"k" * 100_000, b"x" * 3_000_000)], ENV)
    (out,) = done.outputs
    assert len(out.key or b"") + len(out.value or b"") < 1_047_000
    assert DeadLetter.from_headers(out.headers or []).cut_from == 3_000_000
