"""The lease, the watchdog and the retry: each in a real process where ending the process is what they do."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest

from agents.safety import ExitCode, Lease, Watchdog, retry
from tests.polling import eventually

_LEASE = """
import asyncio
from agents.safety import Lease
async def main():
    lease = Lease(1.0)
    asyncio.create_task(lease.run())
    await asyncio.sleep(0.3)
    print("ticking", flush=True)
    {then}
asyncio.run(main())
"""

_WATCHDOG = """
import asyncio
from agents.safety import Lease, Watchdog
class Stuck:
    def progress(self): return 0
    def lag(self): return {lag}
    def coordinator_dead(self): return {dead}
async def main():
    lease = Lease(60.0)
    asyncio.create_task(lease.run())
    Watchdog(lease, Stuck(), loop_s=0.5, stuck_s=0.5, dead_s=0.5).start()
    {then}
asyncio.run(main())
"""


def _end(code: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr


def test_a_process_that_was_paused_ends_when_it_wakes_up() -> None:
    code = _LEASE.format(then="await asyncio.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        eventually(lambda: _state(process.pid) == "T", what="stopped")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)  # twice the lease
        process.send_signal(signal.SIGCONT)
        assert process.wait(10) == ExitCode.ZOMBIE
        assert b"event loop did not run" in process.stderr.read()


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123  # not a file of ours
        return stat.read().rsplit(")", 1)[1].split()[0]


def test_a_check_after_a_blocked_loop_ends_the_process() -> None:
    status, why = _end(_LEASE.format(then="import time; time.sleep(0.8); lease.check(); print('went on')"))
    assert (status, "event loop did not run" in why) == (ExitCode.ZOMBIE, True)


def test_a_write_of_a_lost_member_ends_the_process() -> None:
    status, why = _end(_LEASE.format(then="lease.joined(); lease.lapsed(); await lease.permit()"))
    assert (status, "membership is lost" in why) == (ExitCode.ZOMBIE, True)


def test_a_write_waits_for_a_heartbeat_that_is_late() -> None:
    async def run() -> bool:
        lease = Lease(0.4)
        lease.joined()
        await asyncio.sleep(0.25)  # longer than the lease of 0.2 s
        write = asyncio.create_task(lease.permit())
        done, _ = await asyncio.wait({write}, timeout=0.3)
        lease.joined()
        await write
        return not done

    assert asyncio.run(run())


@pytest.mark.parametrize(
    ("lag", "dead", "then", "reason"),
    [
        (0, False, "await asyncio.sleep(0.1); import time; time.sleep(20)", "event loop is stuck"),
        (5, False, "await asyncio.sleep(20)", "none was committed"),
        (0, True, "await asyncio.sleep(20)", "keeps the membership alive"),
    ],
)
def test_the_watchdog_ends_what_hangs_and_shows_where(lag: int, dead: bool, then: str, reason: str) -> None:
    status, why = _end(_WATCHDOG.format(lag=lag, dead=dead, then=then))
    assert status == ExitCode.ZOMBIE
    assert reason in why
    assert "Thread" in why  # the stacks


def test_the_watchdog_leaves_the_excused_and_the_idle_alone() -> None:
    class Worker:
        def __init__(self, lag: int) -> None:
            self._lag = lag

        def progress(self) -> object:
            return 0

        def lag(self) -> int:
            return self._lag

        def coordinator_dead(self) -> bool:
            return False

    excused = Watchdog(Lease(60), Worker(5), stuck_s=-1.0)
    excused.excuse(60)
    for watchdog in (excused, Watchdog(Lease(60), Worker(0), stuck_s=-1.0)):
        watchdog.look()
        watchdog.look()  # would have ended the process running this test


def test_retry_tries_again_and_gives_the_last_error() -> None:
    tries: list[int] = []

    async def flaky() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError(len(tries))
        return "done"

    async def hopeless() -> str:
        raise ConnectionError("always")

    assert asyncio.run(retry(flaky, on=ConnectionError, base_s=0.001)) == "done"
    assert len(tries) == 3
    with pytest.raises(ConnectionError, match="always"):
        asyncio.run(retry(hopeless, on=ConnectionError, total_s=0.05, base_s=0.01))
    with pytest.raises(ConnectionError):
        asyncio.run(retry(hopeless, on=ValueError))
