"""Starts worker processes and starts them again when they end: the other half of "end rather than go on wrong".

Run: ``python -m agents.supervisor [-n PROCESSES] -- COMMAND [ARGUMENT ...]``. Prints one line per event.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Sequence

from agents.safety import ExitCode

BACKOFF_S = (1.0, 30.0)
HARD_KILL_S = 60.0  # longer than any worker drains (agents.rounds.LaneSettings.drain_s, and a courier's last calls)
_HEALTHY_S = 60.0  # a child that lasted this long starts again without delay

Report = Callable[[str], None]
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Supervisor:
    """Keeps several copies of one command running.

    A child that ends with anything but 0 is started again after 1, 2, 4 ... 30 s; 0 means it was done, and
    ``ExitCode.CONFIG`` that starting it again cannot help: that ends the supervisor and its other children too.

    Args:
        command: Program and arguments.
        processes: How many copies.
        report: Receives one line per event; default: print.
        backoff_s: First and longest pause before a restart, in seconds.
        hard_kill_s: Seconds from a stop request to ``kill -9``.
        name: What its lines call the children.
    """

    def __init__(
        self,
        command: Sequence[str],
        processes: int = 1,
        *,
        report: Report | None = None,
        backoff_s: tuple[float, float] = BACKOFF_S,
        hard_kill_s: float = HARD_KILL_S,
        name: str = "worker",
    ) -> None:
        """Nothing starts yet."""
        if processes < 1:
            raise ValueError(f"processes={processes}: at least 1")
        self._command, self._processes = list(command), processes
        self._report = report or _print
        self._first_s, self._longest_s = backoff_s
        self._hard_kill_s = hard_kill_s
        self._name = name
        self._stopping = asyncio.Event()
        self._final: int | None = None
        self.pids: dict[int, int] = {}

    def stop(self) -> None:
        """Ask all children to end; ``run`` returns when they have."""
        self._stopping.set()

    async def run(self) -> int:
        """Run until stopped, or until every child is done.

        Returns:
            0, or the final exit code of a child that must not be started again.
        """
        await asyncio.gather(*(self._keep(number) for number in range(self._processes)))
        return self._final or 0

    async def _keep(self, number: int) -> None:
        pause = self._first_s
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._run_once(number)
            if code == 0 or self._stopping.is_set():
                return
            if code == ExitCode.CONFIG:
                self._report(f"{self._name} {number}: exit {code} is final, stopping all")
                self._final = code
                self.stop()
                return
            pause = self._first_s if time.monotonic() - began > _HEALTHY_S else pause
            self._report(f"{self._name} {number}: starts again in {pause:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(2 * pause, self._longest_s)

    async def _run_once(self, number: int) -> int:
        # A session of its own: Ctrl-C in a terminal reaches only us, and we stop the children once, in order.
        child = await asyncio.create_subprocess_exec(*self._command, start_new_session=True)
        self.pids[number] = child.pid
        self._report(f"{self._name} {number}: pid {child.pid} started")
        ended = asyncio.create_task(child.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            try:
                await asyncio.wait_for(asyncio.shield(ended), self._hard_kill_s)
            except TimeoutError:
                self._report(f"{self._name} {number}: pid {child.pid} did not stop in {self._hard_kill_s:g} s, killed")
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
        code = await ended
        self._report(f"{self._name} {number}: pid {child.pid} ended, {_why(code)}")
        self.pids.pop(number, None)
        return code


async def until_stopped(supervisors: Sequence[Supervisor]) -> int:
    """Run several side by side; SIGTERM or Ctrl-C stops all. A loop has one handler for a signal, so none has its own.

    Returns:
        The highest of what they return.
    """
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for supervisor in supervisors:
            supervisor.stop()

    for sign in _SIGNALS:
        loop.add_signal_handler(sign, stop)
    try:
        return max(await asyncio.gather(*(supervisor.run() for supervisor in supervisors)))
    finally:
        for sign in _SIGNALS:
            loop.remove_signal_handler(sign)


def _why(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    with contextlib.suppress(ValueError):
        return f"exit {code} ({ExitCode(code).name.lower()})"
    return f"exit {code}"


def _print(line: str) -> None:
    sys.stdout.write(f"supervisor: {line}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m agents.supervisor", description=__doc__)
    parser.add_argument("-n", "--processes", type=int, default=1, help="copies of the command (default 1)")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- program and arguments")
    options = parser.parse_args(arguments)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        parser.error("command: name what to run, e.g. -- python -m agents worker")

    async def run() -> int:
        return await until_stopped([Supervisor(command, options.processes)])

    return asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
