"""Child processes that never outlive us: the broker and the Redis of the try-out, Apache Kafka in tests.

A child is started in a session of its own, so Ctrl-C in a terminal reaches only us and we stop it in order. Should we
be killed without a chance to clean up (``kill -9``, out of memory), a watcher process of a few lines sees its pipe to
us close and kills the child. The watcher works on every POSIX system and from every thread; Linux' PR_SET_PDEATHSIG
does neither (it fires when the *thread* that started the child ends).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from schemas.errors import Unavailable

LOOPBACK = "127.0.0.1"

# Reads its stdin until it closes, which happens when the last process holding the other end (us) is gone.
_WATCHER = (
    "import os, signal, sys\n"
    "sys.stdin.buffer.read()\n"
    "try:\n    os.kill(int(sys.argv[1]), signal.SIGKILL)\n"
    "except ProcessLookupError:\n    pass\n"
)


class ChildError(Unavailable):
    """A child process ended, or did not answer, before it was ready. The text holds the end of its log."""


class ChildProcess:
    """One child process, its log file and its watcher.

    Args:
        name: What to call it in errors, e.g. ``"redis-server"``.
        command: Program and arguments.
        log: File that receives its stdout and stderr (appended to).
        cwd: Its working directory.
        env: Its whole environment; ours when None.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str] | None = None
    ) -> None:
        """Start the process and its watcher."""
        self.name = name
        self.log = log
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=cwd, env=env, start_new_session=True
            )
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WATCHER, str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        """Return the running child."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    @property
    def pid(self) -> int:
        """Process id, for a caller who wants to kill or pause it."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def wait_ready(self, answers: Callable[[], bool], timeout: float) -> None:
        """Poll ``answers`` until it says True.

        Args:
            answers: One question to the child; False or an OSError means "not yet".
            timeout: Seconds to wait at most.

        Raises:
            ChildError: The child ended, or ``timeout`` passed. The child is stopped.
        """
        deadline = time.monotonic() + timeout
        while self.running and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if answers():
                    return
            time.sleep(0.02)
        reason = f"did not answer within {timeout:g} s" if self.running else f"ended with {self._process.returncode}"
        self.stop()
        raise ChildError(f"{self.name} {reason}; the end of its log: {self.log_tail() or '(empty)'}")

    def log_tail(self, lines: int = 5) -> str:
        """Return the last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def wait(self) -> int:
        """Wait until the process ends by itself and return its exit status."""
        return self._process.wait()

    def kill(self) -> None:
        """Kill it at once (``kill -9``), as a crash would."""
        self._end(signal.SIGKILL, grace=0)

    def stop(self, grace: float = 10.0) -> None:
        """Ask it to end; kill it after ``grace`` seconds. Stopping twice is harmless."""
        self._end(signal.SIGTERM, grace)

    def _end(self, sign: signal.Signals, grace: float) -> None:
        # The watcher first: once the child is reaped its pid may be given to a stranger.
        if self._watcher.poll() is None:
            self._watcher.kill()
            self._watcher.wait()
        if self._watcher.stdin is not None:
            self._watcher.stdin.close()
        if not self.running:
            return
        os.kill(self._process.pid, sign)
        try:
            self._process.wait(grace or None)
        except subprocess.TimeoutExpired:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()


def free_port() -> int:
    """Return a loopback TCP port that was free a moment ago (somebody else may take it: retry on failure)."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
