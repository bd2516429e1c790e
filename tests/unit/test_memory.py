"""What was freed is given back to the system."""

import psutil
import pytest

from agents import memory

MB = 1 << 20


@pytest.mark.skipif(memory._libc() is None, reason="only glibc keeps freed memory, and can be told")
def test_what_lies_between_things_still_held_is_given_back() -> None:
    """Pages between two objects that live on are not returned by themselves."""
    held: list[bytes] = []
    gone = [bytes(100_000)]
    for _ in range(2000):
        gone.append(bytes(100_000))
        held.append(bytes(600))
    gone.clear()
    before = psutil.Process().memory_info().rss
    memory.trim()
    after = psutil.Process().memory_info().rss
    assert before - after > 100 * MB
    assert len(held) == 2000


def test_it_may_be_called_anywhere() -> None:
    """Also where there is nothing to do."""
    memory.keep_one_arena()
    memory.trim()
