"""The proxy does what it is told, or the faults that rest on it test nothing."""

import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.child import LOOPBACK, ChildProcess
from tests.chaos.proxy import order
from tests.faults.world import ROOT


def _echo(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            line, _ = listener.accept()
            threading.Thread(target=_answer, args=(line,), daemon=True).start()


def _answer(line: socket.socket) -> None:
    with contextlib.suppress(OSError), line:
        while piece := line.recv(1024):
            line.sendall(piece)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[dict[str, int]]:
    """A proxy before a server that says everything back."""
    log = tmp_path / "proxy.log"
    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(target=_echo, args=(listener,), daemon=True).start()
        to = f"{LOOPBACK}:{listener.getsockname()[1]}"
        with ChildProcess("proxy", [sys.executable, "-m", "tests.chaos.proxy", to], log=log, cwd=ROOT) as child:
            child.wait_ready(lambda: '"port"' in log.read_text(), 30)
            yield json.loads(log.read_text())


def _said_back(line: socket.socket) -> bytes:
    line.sendall(b"hello")
    return line.recv(1024)


def test_it_is_not_there_until_told_otherwise(proxy: dict[str, int]) -> None:
    with socket.create_connection((LOOPBACK, proxy["port"]), timeout=30) as line:
        assert _said_back(line) == b"hello"


def test_cut_ends_connections_and_refuses_new_ones(proxy: dict[str, int]) -> None:
    with socket.create_connection((LOOPBACK, proxy["port"]), timeout=30) as line:
        _said_back(line)
        order(proxy["control"], "cut")
        assert _ended(line)
    with socket.create_connection((LOOPBACK, proxy["port"]), timeout=30) as line:
        assert _ended(line)
    assert order(proxy["control"], "open") == 3, "two ends of a connection were cut, and one was refused"
    with socket.create_connection((LOOPBACK, proxy["port"]), timeout=30) as line:
        assert _said_back(line) == b"hello"


def _ended(line: socket.socket) -> bool:
    try:
        return line.recv(1024) == b""
    except ConnectionError:
        return True


def test_slow_delays_both_ways(proxy: dict[str, int]) -> None:
    order(proxy["control"], "slow 0.1")
    with socket.create_connection((LOOPBACK, proxy["port"]), timeout=30) as line:
        began = time.monotonic()
        assert _said_back(line) == b"hello"
        assert time.monotonic() - began >= 0.2
    assert order(proxy["control"], "open") == 2


def test_resets_end_connections(proxy: dict[str, int]) -> None:
    order(proxy["control"], "resets 1")
    with socket.create_connection((LOOPBACK, proxy["port"]), timeout=30) as line:
        line.sendall(b"hello")
        assert _ended(line)
    assert order(proxy["control"], "open") == 1
