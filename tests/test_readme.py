"""What README shows can be typed: its mapping, its event, its settings and its commands are real."""

import re
import tomllib

import typer

from agents.cli.main import app
from agents.couriers.settings import CourierSettings
from agents.mapping import parse_mapping
from agents.settings import ModelSettings
from schemas.events import EVENT
from tests.worlds import ROOT

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Fenced blocks of a language."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found
    return found


def test_its_mappings_are_valid() -> None:
    for text in blocks("toml"):
        parse_mapping(tomllib.loads(text), "README.md")


def test_its_events_are_valid() -> None:
    for text in blocks("json"):
        EVENT.validate_json(text)


def test_its_settings_exist() -> None:
    known = {f"LEADKEEPER_{name.upper()}" for kind in (ModelSettings, CourierSettings) for name in kind.model_fields}
    named = set(re.findall(r"\bLEADKEEPER_[A-Z_]*[A-Z]\b", README))
    assert len(named) > 8
    assert named - known == set()


def test_its_commands_exist() -> None:
    named = set(re.findall(r"\bleadkeeper ((?:[a-z]+ ?)+)", README))
    assert len(named) > 10
    for words in named:
        command = typer.main.get_command(app)
        for word in words.split():
            inner = getattr(command, "commands", None)
            if inner is None:
                break  # what follows is an argument
            assert word in inner, f"leadkeeper {words}"
            command = inner[word]


def test_its_files_exist() -> None:
    named = {path for path in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in path}
    assert len(named) > 5
    assert [path for path in named if not (ROOT / path).exists()] == []
