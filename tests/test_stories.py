"""Stories from the business, as data: `tests/stories/*.toml`. How to read one: tests/storyteller.py."""

from __future__ import annotations

import pytest

from tests.storyteller import Story
from tests.worlds import ROOT

STORIES = sorted((ROOT / "tests" / "stories").glob("*.toml"))


@pytest.mark.parametrize("path", STORIES, ids=lambda p: p.stem)
def test_story(path: object) -> None:
    """What follows is what the story says, line by line, and so is what remains."""
    story = Story(path)  # type: ignore[arg-type]
    lines, remaining = story.play()
    assert lines == story.told["expect"]
    assert remaining == story.told["remaining"]


def test_there_are_stories() -> None:
    """An empty folder would pass in silence."""
    assert len(STORIES) >= 10
