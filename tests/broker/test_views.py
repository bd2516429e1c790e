"""The views on a real Redis: what is newer stays, whatever comes twice or late, and who was erased is forgotten."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from agents.views import Views

AT = "2026-03-02T09:30:00Z"
SOONER = "2026-03-02T09:29:59.500000Z"
LATER = "2026-03-02T09:30:00.500000Z"
EMPTY = {"none": 0, "early_warning": 0, "active_risk": 0, "critical_risk": 0}


def _assessed(at: str, seq: int, stage: str = "active_risk") -> dict[str, Any]:
    return {"type": "lead_assessed", "tenant": "acme", "lead": "L1", "at": at, "seq": seq, "stage": stage}


def _erased(at: str) -> dict[str, Any]:
    return {"type": "decided", "tenant": "acme", "lead": "L1", "at": at, "verdict": "withdrawn", "rule": "erased"}


def _escalated(at: str, status: str, outcome: str | None = None) -> dict[str, Any]:
    told = {"type": "lead_escalated", "tenant": "acme", "lead": "L1", "at": at, "id": "esc-1"}
    return told | {"status": status, "outcome": outcome}


def _with_views(redis_url: str, work: Callable[[Views], Awaitable[None]]) -> None:
    async def run() -> None:
        redis = Redis.from_url(redis_url)
        try:
            await work(Views(redis, f"views-{uuid.uuid4().hex[:8]}."))
        finally:
            await redis.aclose()

    asyncio.run(run())


def test_the_newest_assessment_stays(redis_url: str) -> None:
    async def work(views: Views) -> None:
        await views.write([_assessed(AT, 7), _assessed(AT, 6, "none"), _assessed(SOONER, 5, "none")])
        assert await views.assessment("acme", "L1") == _assessed(AT, 7)
        await views.write([_assessed(AT, 8, "critical_risk")])
        assert await views.stage_counts() == EMPTY | {"critical_risk": 1}

    _with_views(redis_url, work)


def test_a_second_life_counts_from_one_and_is_taken(redis_url: str) -> None:
    async def work(views: Views) -> None:
        await views.write([_assessed(AT, 40), _assessed(LATER, 1, "early_warning")])
        assert await views.assessment("acme", "L1") == _assessed(LATER, 1, "early_warning")
        assert await views.stage_counts() == EMPTY | {"early_warning": 1}

    _with_views(redis_url, work)


def test_an_erased_lead_is_forgotten_and_may_come_again(redis_url: str) -> None:
    async def work(views: Views) -> None:
        await views.write([_assessed(SOONER, 3), _erased(AT)])
        assert await views.assessment("acme", "L1") is None
        assert await views.stage_counts() == EMPTY
        await views.write([_assessed(SOONER, 3)])  # read late, from the other topic
        assert await views.stage_counts() == EMPTY
        await views.write([_assessed(LATER, 1), _erased(AT)])
        assert await views.assessment("acme", "L1") == _assessed(LATER, 1)
        assert await views.stage_counts() == EMPTY | {"active_risk": 1}

    _with_views(redis_url, work)


def _travelled(at: str, stage: str) -> dict[str, Any]:
    return {"type": "journey_progressed", "tenant": "acme", "lead": "L1", "at": at, "stage": stage, "next_action": None}


def test_where_a_lead_is_on_its_journey_stays_until_it_is_erased(redis_url: str) -> None:
    async def work(views: Views) -> None:
        await views.write([_travelled(AT, "deciding"), _travelled(SOONER, "looking"), _assessed(AT, 7)])
        assert await views.journey("acme", "L1") == _travelled(AT, "deciding")
        assert await views.assessment("acme", "L1") == _assessed(AT, 7)
        await views.write([_erased(AT), _travelled(SOONER, "looking")])  # read late
        assert await views.journey("acme", "L1") is None
        await views.write([_travelled(LATER, "looking")])
        assert await views.journey("acme", "L1") == _travelled(LATER, "looking")

    _with_views(redis_url, work)


def test_an_escalation_resolved_by_erasure_forgets_the_lead(redis_url: str) -> None:
    async def work(views: Views) -> None:
        await views.write([_assessed(SOONER, 3), _escalated(SOONER, "open")])
        assert await views.open_escalations() == 1
        await views.write([_escalated(AT, "resolved", "erased")])
        assert await views.open_escalations() == 0
        assert await views.assessment("acme", "L1") is None

    _with_views(redis_url, work)
