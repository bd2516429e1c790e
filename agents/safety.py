"""What ends a process that must not go on: the exit codes, the lease, the watchdog and the bounded retry.

Law 5 lives here: a worker that was paused, cut off or stuck may still believe that it owns its partitions. It must end
before it writes again; a supervisor starts a fresh one. ``os._exit`` and not ``sys.exit``: clean-up code of a worker
in an unknown state could write or commit.
"""

from __future__ import annotations

import asyncio
import enum
import faulthandler
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import NoReturn, Protocol, TypeVar

logger = logging.getLogger(__name__)

TICK_S = 0.2
_MISSING = object()
T = TypeVar("T")


class ExitCode(enum.IntEnum):
    """Why a worker ended, for supervisors and scripts. 78 is final, the others are restarted."""

    STOPPED = 0
    UNAVAILABLE = 69  # no broker answered at start: try again later
    WRITE_FAILED = 70  # an output, a state record or the handler failed: nothing may be committed by accident
    ZOMBIE = 75  # lease lost, loop stuck, lag without progress, coordinator dead
    CONFIG = 78  # wrong settings, or a log that does not fit the committed offsets


def die(code: ExitCode, reason: str, *, stacks: bool = False) -> NoReturn:
    """End the process at once: no clean-up, no commit, no flush of anything but the reason.

    Args:
        code: What to tell the supervisor.
        reason: One line for the log.
        stacks: Whether to dump the stack of every thread, for the question "where did it hang".
    """
    sys.stderr.write(f"leadkeeper: exit {int(code)} {code.name}: {reason}\n")
    if stacks:
        faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
    sys.stderr.flush()
    os._exit(code)


def now() -> float:
    """Return seconds that also pass while the process or the whole machine is asleep (Linux; else monotonic)."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


class Lease:
    """The right to write, renewed every 0.2 s by the event loop and lost after half the session timeout.

    Prevents the zombie write: a process that was stopped (SIGSTOP, swap, a frozen virtual machine) longer than its
    session wakes up in the middle of a round and writes over what the new owner has done. The tick itself checks before
    it renews, so that waking up on the tick cannot hide the pause. Starts at the first tick, as start-up may be slow.

    A process that runs but is cut off from its group coordinator is the same zombie, so heartbeats count too: a write
    waits while none was answered for half a session, and ends the process if the membership is lost meanwhile.

    Args:
        session_timeout_s: The group's session timeout, seconds. The lease lasts half of it.
    """

    def __init__(self, session_timeout_s: float) -> None:
        """Remember the limit; nothing is running yet."""
        self.limit_s = session_timeout_s / 2
        self._ticked: float | None = None
        self._heartbeat: float | None = None
        self._lapsed = False

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            self.check()
            self._ticked = now()
            await asyncio.sleep(TICK_S)

    @property
    def age_s(self) -> float:
        """Seconds since the last tick; 0 before the first."""
        return 0.0 if self._ticked is None else now() - self._ticked

    def joined(self) -> None:
        """Note an answered heartbeat or a fresh assignment (any thread)."""
        self._heartbeat, self._lapsed = now(), False

    def lapsed(self) -> None:
        """Note that the group does not know this member any more (any thread)."""
        self._lapsed = True

    def check(self) -> None:
        """End the process if the loop stood still for too long. Call before each write."""
        if (age := self.age_s) > self.limit_s:
            die(ExitCode.ZOMBIE, f"the event loop did not run for {age:.1f} s (limit {self.limit_s:g} s)")

    async def permit(self) -> None:
        """Return when a write may leave; ends the process if it never may."""
        self.check()
        while self._heartbeat is not None and (self._lapsed or now() - self._heartbeat > self.limit_s):
            if self._lapsed:
                die(ExitCode.ZOMBIE, "a write is pending and the group membership is lost")
            await asyncio.sleep(TICK_S / 2)
            self.check()


class Patient(Protocol):
    """What the watchdog watches; every member is read from another thread."""

    def progress(self) -> object:
        """Return anything that changes whenever work gets done and committed."""

    def lag(self) -> int:
        """Return the number of records waiting on partitions that are not paused."""

    def coordinator_dead(self) -> bool:
        """Return whether nobody keeps the group membership alive."""


class Watchdog:
    """A plain thread that ends the process when the event loop or the group membership died silently.

    Prevents the worker that stays up and does nothing: Faust never asks aiokafka whether its coordinator is still
    alive, and a stuck handler keeps heartbeating from the consumer's thread.

    Args:
        lease: Tells when the loop ran last.
        patient: Tells lag, progress and the coordinator's health.
        loop_s: Longest time without a loop tick, seconds.
        stuck_s: Longest time with lag and without progress, seconds.
        dead_s: Longest time with a dead coordinator, seconds.
    """

    def __init__(
        self, lease: Lease, patient: Patient, *, loop_s: float = 5.0, stuck_s: float = 120.0, dead_s: float = 60.0
    ) -> None:
        """Remember the limits; ``start`` begins to watch."""
        self._lease, self._patient = lease, patient
        self._loop_s, self._stuck_s, self._dead_s = loop_s, stuck_s, dead_s
        self._excused_until = 0.0
        self._stopped = threading.Event()
        self._since: dict[str, float] = {}
        self._seen: object = _MISSING

    def start(self) -> None:
        """Watch from now on, in a daemon thread."""
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()

    def excuse(self, seconds: float) -> None:
        """Declare a bounded wait (a retry, a long recovery): no progress is expected for this long."""
        self._excused_until = max(self._excused_until, now() + seconds)

    def _run(self) -> None:
        while not self._stopped.wait(min(1.0, self._loop_s / 4)):
            self.look()

    def look(self) -> None:
        """Look once; ends the process if something is wrong for too long."""
        if self._lease.age_s > self._loop_s:
            die(ExitCode.ZOMBIE, f"the event loop is stuck for {self._lease.age_s:.1f} s", stacks=True)
        progress = self._patient.progress()
        moved, self._seen = progress != self._seen, progress
        idle = moved or not self._patient.lag() or now() < self._excused_until
        self._limit("stuck", self._stuck_s, "records wait and none was committed", wrong=not idle)
        self._limit("dead", self._dead_s, "nobody keeps the membership alive", wrong=self._patient.coordinator_dead())

    def _limit(self, name: str, limit_s: float, reason: str, *, wrong: bool) -> None:
        if not wrong:
            self._since.pop(name, None)
        elif (lasted := now() - self._since.setdefault(name, now())) > limit_s:
            die(ExitCode.ZOMBIE, f"{reason} for {lasted:.0f} s", stacks=True)


async def retry(
    attempt: Callable[[], Awaitable[T]],
    *,
    on: type[Exception] | tuple[type[Exception], ...],
    total_s: float = 30.0,
    base_s: float = 0.2,
    cap_s: float = 10.0,
    excuse: Callable[[float], None] | None = None,
) -> T:
    """Try again in place with full jitter; law 4's first answer to a passing fault.

    Args:
        attempt: What to do; called anew each time.
        on: What may pass. Everything else is raised at once.
        total_s: Seconds after which the last error is raised.
        base_s: Upper bound of the first pause, doubled for each next one.
        cap_s: Upper bound of any pause.
        excuse: ``Watchdog.excuse``, told how long this may take.

    Raises:
        Exception: The last error of ``attempt`` when ``total_s`` is over.
    """
    deadline = now() + total_s
    if excuse is not None:
        excuse(total_s)
    bound = base_s
    while True:
        try:
            return await attempt()
        except on as error:
            pause = random.uniform(0, min(bound, cap_s))
            if now() + pause >= deadline:
                raise
            logger.warning("trying again in %.2f s after %r", pause, error)
            await asyncio.sleep(pause)
            bound *= 2
