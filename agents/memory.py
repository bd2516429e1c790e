"""Keeps the memory of a worker to what it holds: reading state back uses much more for a moment.

glibc gives each thread an arena of its own and keeps what was freed in it: a worker that read back 100,000 leads stayed at
1,380 bytes a lead, of which it used some 500. One arena, and one trim after the reading, bring that back. Threads hardly wait
for the one arena, as they wait for the interpreter anyway. On other C libraries nothing is done.

Batches and requests are pieces of a megabyte that come and go with every round. glibc returns each of them to the system as soon as
it is free, and takes the next one page by page: that was most of what a written record of 400 bytes cost. So it keeps some.
"""

import ctypes
import functools
import gc
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""From glibc's malloc.h."""
_LARGE = 4 << 20
"""Bytes from which a piece of memory is asked of the system by itself: a table's empty rows then take none until used."""
_KEPT = 32 << 20
"""Bytes at the end of the arena that may be free without being returned: what a round of large records needs at once."""


@functools.cache
def _libc() -> ctypes.CDLL | None:
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return libc if libc is not None and hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None


def keep_one_arena() -> None:
    """To be called before any thread starts."""
    if (libc := _libc()) is not None:
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)


def trim() -> None:
    """Give back what is free, and before that what lies in a consumer that refers to itself: tens of milliseconds, after a recovery."""
    gc.collect()
    if (libc := _libc()) is not None:
        libc.malloc_trim(0)
