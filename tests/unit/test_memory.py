"""What was freed is given back to the system, but for what the next round takes again."""

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

PACK_AND_FREE = """
import resource
from agents import memory
from agents.writer import _batches
from aiokafka.producer.message_accumulator import BatchBuilder

class Producer:
    def create_batch(self):
        return BatchBuilder(1 << 20, 0, is_transactional=False)

def pack():
    records = [("state", 0, b"tenant:lead-%08d" % n, bytes(400), None, None) for n in range(4000)]
    return [bytes(batch._build()) for batch in _batches(Producer(), records, ())]

memory.keep_one_arena()
pack()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    pack()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
"""Two megabytes a round: 420 pages of 4 kB."""
on_glibc = pytest.mark.skipif(memory._libc() is None, reason="only glibc keeps freed memory, and can be told")


@on_glibc
def test_a_round_is_packed_into_memory_of_the_one_before() -> None:
    """Each page that has to be asked for again costs as much as packing three records."""
    done = subprocess.run([sys.executable, "-c", PACK_AND_FREE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 420


@on_glibc
def test_what_lies_between_things_still_held_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", HOLD_AND_FREE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 100 * MB


def test_it_may_be_called_anywhere() -> None:
    """Also where there is nothing to do."""
    memory.keep_one_arena()
    memory.trim()
