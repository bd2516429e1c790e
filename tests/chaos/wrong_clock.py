"""A process whose clock is wrong, all of it: Python, and the libraries in C that look at it by themselves.

A trouble `clock:<seconds>` starts the process anew with a library before libc that adds so much to the time of day. The
clocks by which durations are measured go on as they are, as they do on a machine whose time of day is set.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = "TESTS_CLOCK_SECONDS"
SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long ahead(void) { const char *s = getenv("TESTS_CLOCK_SECONDS"); return s ? atol(s) : 0; }

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, at);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += ahead();
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


def missing() -> str:
    """Why there can be no wrong clocks here; empty: there can."""
    if not sys.platform.startswith("linux"):
        return "clocks are set wrong on Linux only"
    return "" if shutil.which("cc") else "no C compiler (cc), which the library of wrong clocks needs"


def clock(seconds: str) -> None:
    """Begin this process again with a clock that is so many seconds ahead (or behind)."""
    if SECONDS in os.environ:
        shutil.rmtree(Path(os.environ.pop("LD_PRELOAD")).parent)  # it began again, and has the library
        return
    folder = Path(tempfile.mkdtemp(prefix="leadkeeper-clock-"))
    library = folder / "clock.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-xc", "-", "-o", library, "-ldl"], input=SOURCE, text=True, check=True
    )
    os.environ |= {SECONDS: str(int(seconds)), "LD_PRELOAD": str(library)}
    sys.stderr.write(f"failpoint clock {seconds} s ahead\n")
    sys.stderr.flush()
    os.execv(sys.executable, sys.orig_argv)
