"""An inbox that lost its beginning: how many leads are older than it is counted, and the card says what that means."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from agents.bygone import bygone, in_words
from agents.inbox_log import inbox
from agents.lead_state import State
from agents.model_card import card
from agents.model_page import page
from agents.settings import Settings
from agents.snapshots import ActivityLog, Bygone
from agents.train import train
from schemas.topics import EVENTS as EVENTS_TOPIC
from streams.env import EVERYONE, Env
from streams.features import DAY
from streams.lead import Message, fold
from streams.partition import Partition
from streams.risk import RuleScorer
from tests.planted import LABEL, POLICY, START, planted_log

EVENTS = planted_log(leads=300)
LOST = START.timestamp() + 60 * DAY


@pytest.fixture(scope="module")
def state() -> State:
    """As the workers have it, who saw everything."""
    partition = Partition(0)
    messages = [Message(i, event.at_ms, event.key, event.value) for i, event in enumerate(EVENTS)]
    fold(partition, messages, Env({"": {EVERYONE: POLICY}}, {"": RuleScorer()}))
    return State({key: partition.table.rows[[row]] for key, row in partition.table.index.items()}, {})


def test_who_began_before_the_log_does_is_counted(state: State) -> None:
    left = [event for event in EVENTS if event.at_ms / 1000 >= LOST]
    older = {event.key for event in EVENTS if event.at_ms / 1000 < LOST}
    gone = older - {event.key for event in left}
    assert gone, "some said nothing since: the log does not know them at all"
    found = bygone(ActivityLog.read(left, POLICY), len(EVENTS) - len(left), state.rows)
    assert found == Bygone(len(EVENTS) - len(left), len(older))
    assert bygone(ActivityLog.read(EVENTS, POLICY), 0, state.rows).leads == 0
    assert bygone(ActivityLog.read(left, POLICY), 7, None) == Bygone(7, None)


def test_a_model_of_what_is_left_says_so_on_its_card() -> None:
    log = ActivityLog.read([event for event in EVENTS if event.at_ms / 1000 >= LOST], POLICY)
    log.bygone = Bygone(1_234, 56)
    manifest = train(log, LABEL).manifest
    assert manifest.trained.bygone == (1_234, 56)
    text = card(manifest)
    assert max(map(len, text.splitlines())) <= 80
    words = " ".join(text.split())
    assert "1,234 messages were deleted" in words
    assert "56 leads that the workers know began before" in words
    assert "1,234 messages were deleted" in page(manifest)
    unknown = manifest.trained.model_copy(update={"bygone": Bygone(1_234, None)})
    assert "is not known" in " ".join(card(manifest.model_copy(update={"trained": unknown})).split())
    whole = manifest.trained.model_copy(update={"bygone": None})
    assert "lost its beginning" not in card(manifest.model_copy(update={"trained": whole}))
    assert in_words(None) == []


@dataclass(frozen=True)
class Record:
    """What of a record of the broker counts here."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    timestamp: int


@pytest.mark.parametrize("start", [0, 40])
def test_where_a_partition_begins_tells_what_was_deleted(
    start: int, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded broker cannot delete records, so they are handed over as a broker that did would."""
    halves = [[event for event in EVENTS if hash_of(event.key) == n] for n in (0, 1)]

    async def read_topics(_bootstrap: str, names: list[str]) -> AsyncIterator[Record]:
        for n, events in enumerate(halves if EVENTS_TOPIC.name in names else []):
            begin = start if n else 0
            for i, event in enumerate(events[begin:], begin):
                yield Record(n, i, event.key, event.value, event.at_ms)

    async def read_state(_settings: Settings) -> State:
        return state

    monkeypatch.setattr("agents.inbox_log.read_topics", read_topics)
    monkeypatch.setattr("agents.dead_letters.read_topics", read_topics)
    monkeypatch.setattr("agents.inbox_log.read_state", read_state)
    log = asyncio.run(inbox(Settings(), POLICY))
    assert len(log) == len(EVENTS) - start
    older = len({event.key for event in halves[1][:start]})
    assert log.bygone == (Bygone(start, older) if start else None)


def hash_of(key: bytes) -> int:
    """One of two partitions."""
    return sum(key) % 2
