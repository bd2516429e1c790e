"""Restarts, the final exit code, and stopping, with real child processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from agents.safety import ExitCode
from agents.supervisor import Supervisor, until_stopped
from tests.polling import eventually_async


def _supervisor(code: str, lines: list[str], processes: int = 1, hard_kill_s: float = 5.0) -> Supervisor:
    command = [sys.executable, "-c", code]
    return Supervisor(command, processes, report=lines.append, backoff_s=(0.01, 0.05), hard_kill_s=hard_kill_s)


def test_a_failed_worker_starts_again_until_it_is_done(tmp_path: Path) -> None:
    counter = tmp_path / "starts"
    code = (
        f"import sys, pathlib; counter = pathlib.Path({str(counter)!r})\n"
        "starts = counter.read_text() if counter.exists() else ''\n"
        "counter.write_text(starts + 'x'); sys.exit(0 if len(starts) == 2 else 75)"
    )
    lines: list[str] = []
    assert asyncio.run(_supervisor(code, lines).run()) == 0
    assert counter.read_text() == "xxx"
    assert sum("exit 75 (zombie)" in line for line in lines) == 2


def test_a_configuration_error_is_final_for_all() -> None:
    lines: list[str] = []
    assert asyncio.run(_supervisor("import sys; sys.exit(78)", lines, processes=2).run()) == ExitCode.CONFIG
    assert any("exit 78 is final" in line for line in lines)
    assert not any("again" in line for line in lines)


def test_sigterm_stops_the_children_too() -> None:
    lines: list[str] = []

    async def run() -> int:
        several = [_supervisor("import signal; signal.pause()", lines, processes=n) for n in (2, 1)]
        running = asyncio.create_task(until_stopped(several))
        await eventually_async(lambda: sum(len(each.pids) for each in several) == 3, what="three children")
        os.kill(os.getpid(), signal.SIGTERM)
        return await asyncio.wait_for(running, 60)

    assert asyncio.run(run()) == 0
    assert sum("SIGTERM" in line for line in lines) == 3


def test_who_does_not_stop_is_killed(tmp_path: Path) -> None:
    lines: list[str] = []
    ready = tmp_path / "ready"
    deaf = (
        f"import signal, pathlib; signal.signal(15, signal.SIG_IGN); pathlib.Path({str(ready)!r}).touch()\n"
        "while True: signal.pause()"
    )

    async def run() -> int:
        supervisor = _supervisor(deaf, lines, hard_kill_s=0.2)
        running = asyncio.create_task(supervisor.run())
        await eventually_async(ready.exists, what="a deaf child")
        supervisor.stop()
        return await running

    assert asyncio.run(run()) == 0
    assert any("SIGKILL" in line for line in lines)


def test_a_killed_worker_starts_again() -> None:
    lines: list[str] = []

    async def run() -> None:
        supervisor = _supervisor("import signal; signal.pause()", lines)
        running = asyncio.create_task(supervisor.run())
        await eventually_async(lambda: supervisor.pids, what="a child")
        first = supervisor.pids[0]
        os.kill(first, signal.SIGKILL)
        await eventually_async(lambda: supervisor.pids.get(0, first) != first, what="another child")
        supervisor.stop()
        await running

    asyncio.run(run())
    assert any("SIGKILL" in line for line in lines)
