"""Commands answer at once: what is slow to import is imported by the commands that need it."""

import subprocess
import sys

import pytest

from tests.worlds import ROOT

HEAVY = ("faust", "lightgbm", "scipy", "pyarrow")


def imported(code: str, names: tuple[str, ...]) -> str:
    """Which of these modules a piece of code takes in, in a process of its own."""
    code = f"{code}\nimport sys; print(*(name for name in {names!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def test_the_command_line_itself_is_light() -> None:
    assert imported("import agents.cli.main", (*HEAVY, "aiokafka", "redis", "numpy")) == ""


@pytest.mark.parametrize(
    "words", [("lead", "show", "acme", "L1"), ("topics", "check"), ("dlq", "list"), ("ledger", "list")], ids=" ".join
)
def test_commands_that_look_take_in_no_engine_and_no_model(words: tuple[str, ...]) -> None:
    """They run as far as finding no broker."""
    code = (
        "import os; os.environ['LEADKEEPER_BOOTSTRAP'] = '127.0.0.1:1'\n"
        "from typer.testing import CliRunner; from agents.cli.main import app\n"
        f"assert CliRunner().invoke(app, {list(words)!r}).exit_code == 69"
    )
    assert imported(code, HEAVY) == ""


def test_the_probe_sees_what_is_imported() -> None:
    """So that the tests above can fail."""
    assert imported("import agents.model", HEAVY) == "lightgbm scipy"
