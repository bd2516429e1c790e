"""What a courier holds of its commands is what the topic says of them, however little room it takes."""

from datetime import timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from agents.couriers.clock import CourierClock
from agents.couriers.ledger import Ledger
from schemas.ledger import LedgerEntry, LedgerState
from schemas.units import Channel
from streams.deliver import TERMINAL, settled
from tests.unit.test_deliver import NOW, entry

RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([*LedgerState, None]),
        st.booleans(),
        st.sampled_from([Channel.EMAIL, Channel.EMAIL, Channel.SMS]),
        st.integers(0, 20),
    ),
    max_size=20,
)


Told = tuple[str, LedgerState | None, bool, Channel, int]
"""Id, state (none: a tombstone), whether it is settled where it has ended, channel, minute."""


def _entry(name: str, state: LedgerState, channel: Channel, minute: int, *, done: bool) -> LedgerEntry:
    made = entry(state, channel, id=name, at=NOW + timedelta(minutes=minute))
    return settled(made) if done and state in TERMINAL else made


@given(RECORDS, st.integers(0, 20))
@example([("a", LedgerState.SENT, True, Channel.EMAIL, 0)], 0)
@example([("b", LedgerState.SENT, True, Channel.EMAIL, 9), ("a", LedgerState.SENT, True, Channel.EMAIL, 0)], 5)
def test_holds_what_the_topic_says(records: list[Told], minute: int) -> None:
    """The last word counts, but what has ended stays ended; a tombstone forgets; other channels are none of ours."""
    ledger = Ledger("couriers.ledger", Channel.EMAIL, CourierClock("wall"))
    said: dict[str, LedgerEntry] = {}
    for name, state, done, channel, ended_at in records:
        if state is None:
            ledger.apply(3, name.encode(), None)
            said.pop(name, None)
            continue
        told = _entry(name, state, channel, ended_at, done=done)
        ledger.apply(3, name.encode(), told.model_dump_json().encode())
        ended = name in said and said[name].state in TERMINAL
        if channel is Channel.EMAIL and (state in TERMINAL or not ended):
            said[name] = told
    assert {name: held for name in "abc" if (held := ledger.get(3, name)) is not None} == said
    assert ledger.waiting() == sum(each.state is LedgerState.RETRY_AT for each in said.values())
    before = NOW + timedelta(minutes=minute)
    gone = {name for name, each in said.items() if each.command is None and each.at < before}
    assert {(out.partition, out.key, out.value) for out in ledger.old(before)} == {
        (3, name.encode(), None) for name in gone
    }
    assert {name for name in "abc" if ledger.get(3, name) is not None} == said.keys() - gone


@given(RECORDS)
def test_what_is_noted_reads_back_the_same(records: list[Told]) -> None:
    """A ledger that reads the records of another one holds the same, and partitions are apart."""
    ours, theirs = (Ledger("couriers.ledger", Channel.EMAIL, CourierClock("wall")) for _ in range(2))
    ended: set[str] = set()
    for name, state, done, _, ended_at in records:
        if state is None or name in ended:
            continue
        if state in TERMINAL:
            ended.add(name)
        out = ours.put(1, _entry(name, state, Channel.EMAIL, ended_at, done=done))
        assert out.key is not None
        theirs.apply(out.partition, out.key, out.value)
    assert [theirs.get(1, name) for name in "abc"] == [ours.get(1, name) for name in "abc"]
    assert all(ours.get(2, name) is None for name in "abc")
    ours.drop([1])
    assert all(ours.get(1, name) is None for name in "abc")
