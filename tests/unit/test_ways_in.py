"""What `--keep` prints is enough for another terminal: the settings that reach the stack, and a lead worth looking at."""

from pathlib import Path

from agents.tryout.here import ways_in
from agents.tryout.stack import Stack
from agents.tryout.truth import Truth
from tests.planted import POLICY
from tests.planted import message as event


def test_settings_and_commands_for_another_terminal(tmp_path: Path) -> None:
    stack = Stack(tmp_path, tmp_path / "policy.json", tmp_path / "my models", "m-1")
    stack.bootstrap, stack.redis_url, stack.smtp_port = "127.0.0.1:1", "redis://127.0.0.1:2/0", 3
    lines = ways_in(stack, "shop", "a'b")
    assert f"export LEADKEEPER_MODELS='{tmp_path}/my models'" in lines
    assert "export LEADKEEPER_BOOTSTRAP=127.0.0.1:1" in lines
    assert not any("TOPIC_PREFIX" in line for line in lines), "on a broker of its own there is none"
    assert """.venv/bin/leadkeeper lead show shop 'a'"'"'b'""" in lines
    stack.prefix = "run."
    assert "export LEADKEEPER_TOPIC_PREFIX=run." in ways_in(stack, "shop", None)


def test_a_lead_that_was_closed_is_not_worth_a_look() -> None:
    log = [event(1, 0, "item_viewed", 1, item="x"), event(2, 0, "item_viewed", 2, item="x")]
    log += [event(1, 1, "lead_closed", 3, outcome="lost")]
    truth = Truth((one.value for one in log), POLICY)
    assert truth.first_open(["L1", "L2"]) == "L2"
    assert truth.first_open(["L1"]) is None
