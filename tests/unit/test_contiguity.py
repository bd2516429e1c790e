"""A fetcher that has moved on and brought nothing: what was lost is fetched again, what does not exist is passed over."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import TopicPartition

from agents import contiguity as module
from agents.contiguity import Contiguity
from agents.rounds import LaneSettings, LaneStats

HERE = TopicPartition("in", 0)


class _Log:
    """Starts at an offset; remembers from where it was to be read again."""

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self.sought: list[int] = []

    async def seek_all(self, offsets: dict[TopicPartition, int]) -> None:
        self.sought.append(offsets[HERE])

    async def log_start(self, _: TopicPartition) -> int:
        return self.start


def _contiguity(log: _Log, *gappy: str) -> tuple[Contiguity, LaneStats]:
    stats = LaneStats()
    settings = LaneSettings("127.0.0.1:9", group="g", gappy_topics=frozenset(gappy))
    book = Contiguity(settings, stats, log)
    book.expect[HERE] = 5
    return book, stats


def _holds(monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    async def answer(*_: object) -> int:
        return first

    monkeypatch.setattr(module, "first_offset_from", answer)


def test_what_was_lost_is_fetched_again_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    _holds(monkeypatch, 5)
    log = _Log()
    book, stats = _contiguity(log)
    for _ in range(3):
        asyncio.run(book.pass_over(HERE, (8, 8)))
    assert (log.sought, stats.rewinds, stats.holes, book.expect[HERE]) == ([5, 5, 5], 3, 0, 5)


def test_what_the_log_does_not_have_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control records at its end, say. Once it is fetched again; then the broker is asked."""
    _holds(monkeypatch, 8)
    log = _Log()
    book, stats = _contiguity(log)
    for _ in range(2):
        asyncio.run(book.pass_over(HERE, (8, 8)))
    assert (log.sought, stats.rewinds, stats.holes, book.expect[HERE]) == ([5], 1, 3, 8)


def test_what_retention_took_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _holds(monkeypatch, 8)
    book, stats = _contiguity(_Log(start=8))
    asyncio.run(book.pass_over(HERE, (8, 8)))
    assert (stats.data_loss, stats.rewinds, book.expect[HERE]) == (3, 0, 8)


def test_on_a_topic_with_holes_the_fetcher_is_followed() -> None:
    log = _Log()
    book, stats = _contiguity(log, "in")
    asyncio.run(book.pass_over(HERE, (5, 8)))
    assert (log.sought, stats.rewinds, book.expect[HERE]) == ([], 0, 8)
    asyncio.run(book.pass_over(HERE, (9, 9)))
    assert (log.sought, stats.rewinds, book.expect[HERE]) == ([8], 1, 8)


def test_a_partition_that_is_gone_is_left_alone() -> None:
    log = _Log()
    book, stats = _contiguity(log)
    book.clear()
    asyncio.run(book.pass_over(HERE, (8, 8)))
    assert (log.sought, stats.rewinds, dict(book.expect)) == ([], 0, {})
