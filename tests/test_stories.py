"""Stories as data: `tests/stories` under the default policy, and those that each policy brings. How to read one: streams/story.py."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from agents.policyfile.trial import try_stories
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


PACKS = sorted(p for p in (ROOT / "deploy" / "policies").glob("*.toml") if p.stem != "online_shop")


@pytest.mark.parametrize("policy", PACKS, ids=lambda p: p.stem)
def test_every_industry_has_its_stories_and_keeps_them(policy: Path) -> None:
    """At least eight, each line by line."""
    trials = list(try_stories(policy, [ROOT / "deploy" / "policies" / "stories" / policy.name]))
    assert len(trials) >= 8
    assert [(t.title, t.differences) for t in trials if not t.held] == []


def test_there_are_stories() -> None:
    """An empty folder would pass in silence."""
    assert len(STORIES) >= 10
    assert len(PACKS) == 5
