"""What `--keep` prints is enough for another terminal: the settings that reach the stack, and a lead worth looking at."""

from pathlib import Path

from agents.tryout.here import ways_in
from agents.tryout.stack import Stack


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
