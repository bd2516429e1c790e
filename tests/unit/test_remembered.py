"""What is remembered to grade by: all of a night or nothing, once, and nothing of who was erased."""

import json
from pathlib import Path

import pytest

from agents.remembered import Remembered
from schemas import topics
from streams.features import DAY
from tests.planted import POLICY, START, message

EVENTS, TOLD, DECIDED = (topic.name for topic in (topics.EVENTS, topics.ASSESSMENTS, topics.DECISIONS))


def told(lead: int, day: float, p: float, version: str = "m-1") -> bytes:
    """What is read of an assessment."""
    at = json.loads(message(lead, day, "page_viewed", 0).value)["at"]
    body = {"tenant": "t", "lead": f"L{lead}", "at": at, "probability": p, "stage": "none", "model_version": version}
    return json.dumps(body).encode()


def purchase(lead: int, day: float, nth: int = 0) -> bytes:
    """A sign of life."""
    return message(lead, day, "purchase_completed", nth, amount_cents=100).value


def notes(path: Path | None = None) -> Remembered:
    """Notes by the planted log's policy."""
    return Remembered(path, lambda _: POLICY)


def test_a_night_is_remembered_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    with notes(path) as memory:
        memory.begin()
        memory.take(EVENTS, purchase(1, 1.0))
        memory.commit({("lead.events", 0): 1})
        memory.begin()
        memory.take(EVENTS, purchase(2, 2.0))
        memory.take(TOLD, told(2, 2.0, 0.5))
        memory.roll_back()
        memory.begin()
        memory.take(EVENTS, purchase(3, 3.0))
    with notes(path) as memory:
        assert memory.read_up_to() == {("lead.events", 0): 1}
        assert len(memory.leads().tenants) == len(memory.life().times) == 1
        memory.begin()
        memory.take(EVENTS, purchase(2, 2.0))
        memory.commit({("lead.events", 0): 2})
        assert len(memory.leads().tenants) == len(memory.life().times) == 2, "leads that were forgotten are noted again"


def test_what_is_read_twice_counts_once() -> None:
    with notes() as memory:
        for _ in range(2):
            memory.begin()
            for value in (purchase(1, 1.0), purchase(1, 2.0, 1)):
                memory.take(EVENTS, value)
            memory.take(TOLD, told(1, 2.0, 0.2))
            memory.commit({})
        assert len(memory.life().times) == 2
        assert memory.told("m-1").p.tolist() == [0.2]


def test_of_a_day_the_newest_word_is_kept_whatever_the_order() -> None:
    with notes() as memory:
        memory.begin()
        for day, p in ((3.1, 0.1), (3.9, 0.9), (3.5, 0.5), (4.1, 0.4)):
            memory.take(TOLD, told(1, day, p))
        memory.take(TOLD, told(1, 3.95, 0.3, "m-2"))
        memory.commit({})
        both = memory.told("m-1")
        assert both.p.tolist() == [0.9, 0.3, 0.4]
        assert both.mine.tolist() == [True, False, True]


def test_nothing_is_remembered_of_who_was_erased() -> None:
    with notes() as memory:
        memory.begin()
        memory.take(TOLD, told(1, 1.0, 0.2))
        memory.take(DECIDED, json.dumps({**json.loads(told(1, 1.0, 0.2)), "verdict": "sent"}).encode())
        for value in (purchase(1, 1.0), purchase(2, 1.0), message(1, 2.0, "lead_closed", 0, outcome="won").value):
            memory.take(EVENTS, value)
        assert len(memory.sent().times) == len(memory.closings().times) == 1
        memory.take(EVENTS, message(1, 3.0, "erase_lead", 0, by="them").value)
        memory.commit({})
        assert len(memory.leads().tenants) == len(memory.life().times) == 1
        assert not len(memory.sent().times) + len(memory.closings().times) + len(memory.told("m-1").p)
        memory.begin()
        memory.take(EVENTS, purchase(1, 4.0, 1))
        memory.commit({})
        assert len(memory.leads().tenants) == len(memory.life().times) == 2, "who is heard of again begins anew"


def test_a_clock_that_is_wrong_does_not_end_the_log() -> None:
    with notes() as memory:
        memory.begin()
        arrived = START.timestamp() + DAY
        memory.take(EVENTS, purchase(1, 300.0), round(arrived * 1000))
        memory.take(EVENTS, b"{broken", round(arrived * 1000))
        memory.commit({})
        assert memory.end == pytest.approx(arrived + 300)
        assert memory.life().times.tolist() == [pytest.approx(arrived + 300)]


def test_profile_tells_the_region() -> None:
    with notes() as memory:
        memory.begin()
        memory.take(EVENTS, message(1, 1.0, "profile_updated", 0, region="US-CA").value)
        memory.take(EVENTS, message(1, 2.0, "profile_updated", 1, name="Ann").value)
        memory.commit({})
        assert memory.leads().regions == ["US-CA"]


def test_only_signs_of_life_are_kept() -> None:
    with notes() as memory:
        memory.begin()
        for value in (purchase(1, 1.0), message(1, 2.0, "page_viewed", 0).value):
            memory.take(EVENTS, value)
        memory.commit({})
        assert len(memory.life().times) == 1
