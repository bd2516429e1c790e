"""Waiting in tests: ask again until it holds or a deadline passes. Never a fixed pause."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

POLL_SECONDS = 0.02

T = TypeVar("T")


def eventually(predicate: Callable[[], T], timeout: float = 30.0, what: str = "") -> T:
    """Call ``predicate`` until it returns something true and return that.

    Args:
        predicate: The question. What it raises is not caught.
        timeout: Seconds to wait at most; generous, as it only passes when the test fails.
        what: What was awaited, for the message.

    Raises:
        AssertionError: ``timeout`` passed; names what was awaited and the last answer.
    """
    deadline = time.monotonic() + timeout
    while not (answer := predicate()):
        assert time.monotonic() < deadline, _message(predicate, timeout, what, answer)
        time.sleep(POLL_SECONDS)
    return answer


@overload
async def eventually_async(predicate: Callable[[], Awaitable[T]], timeout: float = ..., what: str = ...) -> T: ...
@overload
async def eventually_async(predicate: Callable[[], T], timeout: float = ..., what: str = ...) -> T: ...
async def eventually_async(predicate: Callable[[], Any], timeout: float = 30.0, what: str = "") -> Any:
    """Do as ``eventually`` does, inside an event loop; ``predicate`` may be a coroutine function."""
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < deadline, _message(predicate, timeout, what, answer)
        await asyncio.sleep(POLL_SECONDS)


def _message(predicate: object, timeout: float, what: str, answer: object) -> str:
    return f"{what or getattr(predicate, '__name__', predicate)} did not hold within {timeout:g} s; last: {answer!r}"
