"""Records that are taken a batch at a time are those that aiokafka itself would give, and so is the position after them."""

from struct import pack_into
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record import MemoryRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.bare import _Arrivals

TP = TopicPartition("t", 0)
PRODUCER = 7
_ATTRIBUTES, _LAST_DELTA = 21, 23  # where they stand in a batch of format 2
_TRANSACTIONAL, _CONTROL = 0x10, 0x20
MARKERS = {"abort": b"\0\0\0\0", "commit": b"\0\0\0\1"}  # version, type

batches = st.lists(
    st.tuples(
        st.sampled_from(["plain", "transaction", *MARKERS]),
        st.lists(st.integers(0, 2), max_size=5),  # holes in front of each record
        st.integers(0, 2),  # what compaction took from the end
    ),
    min_size=1,
    max_size=6,
)


def _log(parts: list[tuple[str, list[int], int]]) -> tuple[bytes, list[tuple[int, int]], int]:
    """Bytes of a fetch, its aborted transactions (producer, first offset), and the offset after it."""
    data, aborted, base, begun = b"", list[tuple[int, int]](), 0, -1
    for kind, holes, tail in parts:
        marker = MARKERS.get(kind)
        plain = kind == "plain"
        builder = DefaultRecordBatchBuilder(2, 0, not plain, -1 if plain else PRODUCER, 0, 0, 1 << 20)
        delta = -1
        for hole in [0] if marker else holes:
            delta += 1 + hole
            builder.append(delta, 1_700_000_000_000, marker or b"%d" % (base + delta), b"v", [])
        batch = bytearray(builder.build())
        last = 0 if marker else max(0, delta + tail)
        pack_into(">q", batch, 0, base)
        pack_into(">i", batch, _LAST_DELTA, last)
        pack_into(">h", batch, _ATTRIBUTES, 0 if plain else _TRANSACTIONAL | (_CONTROL if marker else 0))
        if kind == "transaction" and begun < 0:
            begun = base
        if marker:
            if kind == "abort" and begun >= 0:
                aborted.append((PRODUCER, begun))
            begun = -1
        data, base = data + batch, base + last + 1
    return data, aborted, base


def _result(data: bytes, aborted: list[tuple[int, int]], start: int, *, crcs: bool = False) -> tuple[FetchResult, Any]:
    state = SimpleNamespace(position=start, paused=False)
    state.consumed_to = lambda position: setattr(state, "position", position)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    records = PartitionRecords(TP, MemoryRecords(data), aborted, start, None, None, crcs, READ_COMMITTED)
    return FetchResult(TP, assignment=assignment, partition_records=records, backoff=0), state


def _taken(result: FetchResult, state: Any, sizes: list[int | None]) -> list[tuple[list[Any], int, bool]]:
    steps = []
    for size in sizes:
        if not result.has_more():
            break
        found = result.getall(size)
        steps.append(([(r.offset, r.key, r.value) for r in found], state.position, result.has_more()))
    return steps


@settings(max_examples=500)
@given(batches, st.floats(0, 1), st.lists(st.integers(1, 6), max_size=8))
def test_as_aiokafka_would(parts: list[tuple[str, list[int], int]], share: float, sizes: list[int]) -> None:
    data, aborted, end = _log(parts)
    start = int(share * end)
    plain, plain_state = _result(data, aborted, start)
    bare, bare_state = _result(data, aborted, start)
    _Arrivals()[TP] = bare
    takes = [*sizes, None]
    assert _taken(bare, bare_state, takes) == _taken(plain, plain_state, takes)
    assert bare_state.position == plain_state.position


def test_a_seek_voids_what_was_fetched() -> None:
    bare, state = _result(*_log([("plain", [0, 0, 0], 0)])[:2], 0)
    _Arrivals()[TP] = bare
    assert [r.offset for r in bare.getall(2)] == [0, 1]
    state.position = 0
    assert bare.getall(2) == []


@pytest.mark.parametrize("first", [1, 2, 3, None])
def test_a_damaged_batch_is_not_passed_over(first: int | None) -> None:
    """Whatever was taken before: the fetch ends with the error, and the next one begins where the position stands."""
    data = bytearray(_log([("plain", [0, 0], 0), ("plain", [0, 0], 0)])[0])
    data[-1] ^= 1

    def told(result: FetchResult, state: Any) -> list[Any]:
        found: list[Any] = []
        while result.has_more():
            try:
                found.append([r.offset for r in result.getall(None if found else first)])
            except CorruptRecordException:
                found.append("damaged")
            found.append(state.position)
        return found

    bare, bare_state = _result(bytes(data), [], 0, crcs=True)
    _Arrivals()[TP] = bare
    assert (seen := told(bare, bare_state)) == told(*_result(bytes(data), [], 0, crcs=True))
    assert "damaged" in seen
    assert bare_state.position <= 2
