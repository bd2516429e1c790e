"""The record that ends the process: found with as many crashes as are allowed, and whatever is around it is folded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from agents.notes import Note, folder_of_notes
from agents.suspects import Suspects
from schemas.dead_letters import DeadLetter
from schemas.errors import RejectReason
from streams.partition import Message, Partition
from streams.poison import InHand, condemn, crashed, is_poison, pieces

HERE, THERE = TopicPartition("lead.events", 0), TopicPartition("lead.events", 1)
LIMITS = st.integers(1, 6)


@given(st.integers(0, 50), st.integers(1, 5000), st.integers(0, 60), st.integers(1, 5000), st.integers(1, 8), LIMITS)
def test_pieces_are_all_of_it_once_and_in_order(
    begin: int, size: int, first: int, width: int, crashes: int, limit: int
) -> None:
    cut = list(pieces(begin, begin + size, InHand(first, first + width, crashes), limit))
    assert [cut[0].begin, *(piece.end for piece in cut)] == [*(piece.begin for piece in cut), begin + size]
    assert all(piece.begin < piece.end for piece in cut)


@given(st.integers(0, 50), st.integers(2, 5000), st.integers(1, 8), LIMITS)
def test_none_is_poison_before_it_was_alone(begin: int, size: int, crashes: int, limit: int) -> None:
    suspected = InHand(begin, begin + size, crashes)
    assert not any(is_poison(piece, limit) for piece in pieces(begin, begin + size, suspected, limit))


@given(st.sets(st.integers(0, 299)), st.lists(st.integers(1, 200), min_size=1), st.lists(st.integers(0, 40)), LIMITS)
def test_exactly_the_deadly_records_are_condemned(
    deadly: set[int], rounds: list[int], passing: list[int], limit: int
) -> None:
    """Whatever the sizes of the rounds; each costs no more than `limit` crashes, one more where the limit is 1.

    `passing`: the process also ends for other reasons, after so many pieces, and what it knew is forgotten.
    """
    done, condemned, crashes, life, ends = 0, [], Counter[int](), 0, len(passing)
    suspected: InHand | None = None
    while done < 300:
        end = min(300, done + rounds[life % len(rounds)])
        left = passing.pop() if passing else 10**9
        for piece in pieces(done, end, suspected, limit):
            left -= 1
            if is_poison(piece, limit):
                condemned.append(piece.begin)
            elif left < 0:
                suspected = None  # between two pieces nothing is in hand
                break
            elif hit := sorted(deadly & set(range(piece.begin, piece.end))):
                crashes[hit[0]] += 1
                suspected = crashed(piece)
                break
            done = piece.end
        if suspected is not None and suspected.end <= done:
            suspected = None
        life += 1
    assert condemned == sorted(deadly)
    assert all(n <= max(limit, 2) * (1 + ends) for n in crashes.values())


def test_a_condemned_record_says_why_and_changes_nothing_else() -> None:
    partition = Partition(3)
    message = Message(7, 1_700_000_000_000, b"acme:L1", b"deadly")
    done = condemn(partition, message)
    letter = DeadLetter.from_headers(done.outputs[0].headers or [])
    assert (letter.reason, letter.partition, letter.offset) == (RejectReason.CRASH, 3, 7)
    assert (done.outputs[0].key, done.outputs[0].value) == (message.key, message.value)
    assert (done.rejected, partition.state.applied, len(partition.table)) == ([7], 7, 0)
    assert not condemn(partition, message).outputs, "it is done already"


class _Record(NamedTuple):
    offset: int


def _batch(begin: int, end: int) -> list[_Record]:
    return [_Record(offset) for offset in range(begin, end)]


def _suspects(folder: Path, applied: int = -1, limit: int = 3) -> Suspects:
    """As a process has it that was just started."""
    suspects = Suspects(folder, limit, 0)
    suspects.own({HERE: applied, THERE: -1})
    return suspects


def _die_at(suspects: Suspects, deadly: int, end: int = 4000) -> int | None:
    """Work on a round until the process ends in the middle of a fold; returns what was condemned, if anything."""
    for part in suspects.parts({HERE: _batch(0, end), THERE: _batch(0, 10)}):  # type: ignore[dict-item]
        suspects.begin(part)
        batch = part.batches.get(HERE, [])
        if not part.poison and any(record.offset == deadly for record in batch):
            return None
        suspects.end(part)
        if part.poison:
            return batch[0].offset
    return -1


def test_three_processes_end_and_the_fourth_knows_why(tmp_path: Path) -> None:
    """4,000 records, then 64, then one: and the neighbours are never condemned."""
    for _ in range(3):
        assert _die_at(_suspects(tmp_path), 1234) is None
    assert _die_at(_suspects(tmp_path), 1234) == 1234


def test_processes_that_end_between_rounds_are_not_counted(tmp_path: Path) -> None:
    for _ in range(2):
        assert _die_at(_suspects(tmp_path), 1234) is None
    for _ in range(9):
        _suspects(tmp_path)  # the broker is away, say: it never comes to a fold
    assert _die_at(_suspects(tmp_path), 1234) is None
    assert _die_at(_suspects(tmp_path), 1234) == 1234


def test_what_is_done_meanwhile_is_not_suspect(tmp_path: Path) -> None:
    """Another worker has folded it: the round is taken in one piece again."""
    assert _die_at(_suspects(tmp_path), 1234) is None
    fresh = _suspects(tmp_path, applied=3999)
    parts = list(fresh.parts({HERE: _batch(4000, 8000)}))  # type: ignore[dict-item]
    assert [(part.crashes, part.poison, len(part.batches[HERE])) for part in parts] == [(0, False, 4000)]


def test_a_partition_that_comes_back_is_looked_at_again(tmp_path: Path) -> None:
    """Meanwhile its other owner may have ended."""
    here = _suspects(tmp_path)
    here.own({THERE: -1})
    assert _die_at(_suspects(tmp_path), 5, end=100) is None
    here.own({HERE: -1, THERE: -1})
    assert len(list(here.parts({HERE: _batch(0, 100)}))) == 10  # type: ignore[dict-item]


def test_a_note_outlives_and_a_torn_one_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lead.events-0"
    note = Note(path)
    assert note.read() is None
    note.write(InHand(1 << 50, (1 << 50) + 4000, 2))
    assert Note(path).read() == InHand(1 << 50, (1 << 50) + 4000, 2)
    torn = bytearray(path.read_bytes())
    torn[3] ^= 1
    path.write_bytes(torn)
    assert Note(path).read() is None
    path.write_bytes(b"short")
    assert Note(path).read() is None
    note = Note(path)
    note.write(InHand(1, 2))
    note.clear()
    assert Note(path).read() is None


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        folder_of_notes(tmp_path / "file" / "notes")
