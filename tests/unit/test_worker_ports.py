"""Workers started together do not share a metrics port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import pytest
import typer
from typer.testing import CliRunner

from agents.cli import worker


@pytest.mark.parametrize("words", [["lead"], ["report"], ["couriers", "--channel", "email"]])
@pytest.mark.parametrize(("port", "ports"), [("9100", ["9100", "9101"]), ("0", ["0", "0"])])
def test_each_process_gets_a_port_of_its_own(
    words: list[str], port: str, ports: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Sequence[str]] = []

    def supervise_many(commands: Sequence[Sequence[str]]) -> NoReturn:
        started.extend(commands)
        raise typer.Exit

    monkeypatch.setattr(worker, "supervise_many", supervise_many)
    CliRunner().invoke(worker.app, [*words, "-n", "2", "--metrics-port", port])
    assert started == [["worker", *words, "--processes", "0", "--metrics-port", p] for p in ports]
