"""Stories from the business, as data: `tests/stories/*.toml` under the default policy. How to read one: streams/story.py."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from streams.story import Story, stories_of
from tests.worlds import POLICY_FILE, ROOT

STORIES = sorted((ROOT / "tests" / "stories").glob("*.toml"))


@pytest.mark.parametrize("path", STORIES, ids=lambda p: p.stem)
def test_story(path: Path) -> None:
    """What follows is what the story says, line by line, and so is what remains."""
    for told in stories_of(tomllib.loads(path.read_text())):
        lines, remaining = Story(told, tomllib.loads(POLICY_FILE.read_text())).play()
        assert lines == told["expect"]
        assert remaining == told["remaining"]


def test_there_are_stories() -> None:
    """An empty folder would pass in silence."""
    assert len(STORIES) >= 10
