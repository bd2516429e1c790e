"""What was freed is given back to the system."""

import subprocess
import sys

import pytest

from agents import memory
from tests.worlds import ROOT

MB = 1 << 20
HOLD_AND_FREE = """
import psutil
from agents import memory
held, gone = [], []
for _ in range(2000):
    gone.append(bytes(100_000))
    held.append(bytes(600))
gone.clear()
before = psutil.Process().memory_info().rss
memory.trim()
print(before - psutil.Process().memory_info().rss)
"""
"""Pages between two objects that live on are not returned by themselves."""


@pytest.mark.skipif(memory._libc() is None, reason="only glibc keeps freed memory, and can be told")
def test_what_lies_between_things_still_held_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", HOLD_AND_FREE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 100 * MB


def test_it_may_be_called_anywhere() -> None:
    """Also where there is nothing to do."""
    memory.keep_one_arena()
    memory.trim()
