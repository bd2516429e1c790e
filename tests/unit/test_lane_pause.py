"""What the lane remembers of stopped partitions when partitions move, and what a new group's first commit may cost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError, UnknownError

from agents import lane as module
from agents.app import build_app
from agents.lane import Lane
from agents.rounds import LaneSettings

HERE, GONE = TopicPartition("in", 0), TopicPartition("in", 1)


class _Job:
    async def _nothing(self, *_: Any) -> None:
        """What it does."""

    setup = on_assigned = process = on_abandoned = on_revoked = teardown = _nothing


@contextmanager
def _lane() -> Iterator[Lane]:
    settings = LaneSettings("127.0.0.1:9", group="g", session_timeout_s=6.0, heartbeat_s=1.0, fetch_max_wait_ms=40)
    lane = build_app("test", settings, ["in"], _Job()).lane
    loop = lane._thread.thread_loop  # made for the thread, which never starts
    try:
        yield lane
    finally:
        loop.close()


def test_a_partition_that_moved_away_is_not_ours_to_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        with _lane() as lane:
            lane.pause(HERE)
            lane.pause(GONE)
            monkeypatch.setattr(lane, "assignment", lambda: {HERE})
            lane.resume_flow()
            assert lane.stats.paused == {HERE}

    asyncio.run(run())


class _Thread:
    """Answers as aiokafka does, with the errors it is given first."""

    def __init__(self, *errors: KafkaError) -> None:
        self.errors = list(errors)
        self.committed: list[dict[TopicPartition, int]] = []

    async def start_positions(self) -> tuple[dict[TopicPartition, int], set[TopicPartition]]:
        return {HERE: 5}, {HERE}

    async def commit_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.committed.append(dict(offsets))


class _Died(BaseException):
    pass


def _seek(monkeypatch: pytest.MonkeyPatch, thread: _Thread) -> None:
    def die(*reason: object) -> None:
        raise _Died(*reason)

    async def run() -> None:
        with _lane() as lane:
            monkeypatch.setattr(lane, "_thread", thread)
            await lane.perform_seek()

    monkeypatch.setattr(module, "die", die)
    asyncio.run(run())


def test_the_first_commit_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = _Thread(UnknownError(), UnknownError())
    _seek(monkeypatch, thread)
    assert thread.committed == [{HERE: 5}]


def test_without_its_first_commit_a_new_group_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_COMMIT_S", 0.1)
    with pytest.raises(_Died, match="ZOMBIE"):
        _seek(monkeypatch, _Thread(*[UnknownError() for _ in range(1000)]))


def test_a_rebalance_meanwhile_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = _Thread(CommitFailedError())
    _seek(monkeypatch, thread)
    assert thread.committed == []
