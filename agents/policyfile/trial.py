"""Stories played under a policy: which hold, and where one does not, what differs."""

import difflib
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from agents.policyfile.read import read_raw
from schemas.errors import PolicyInvalid
from streams.story import Story, stories_of


class Trial(NamedTuple):
    """One story; `differences` are lines that begin with - (expected) or + (told)."""

    title: str
    held: bool
    differences: list[str]


def try_stories(policy: Path, files: Sequence[Path]) -> Iterator[Trial]:
    """Play every story of these files under a policy.

    Raises:
        PolicyInvalid: A file is not TOML, or a story cannot be told; names it.
    """
    base = read_raw(policy)
    for path in files:
        try:
            told = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise PolicyInvalid(f"{path}: {error}") from error
        for story in stories_of(told):
            try:
                lines, remaining = Story(story, base).play()
            except (KeyError, ValueError) as error:
                raise PolicyInvalid(f"{path}: story {story.get('title', '')!r} cannot be told: {error}") from error
            told_lines = [*lines, *(f"remaining: {lead}" for lead in remaining if "remaining" in story)]
            expected = [*story.get("expect", ()), *(f"remaining: {lead}" for lead in story.get("remaining", ()))]
            found = [line for line in difflib.ndiff(expected, told_lines) if line[0] in "-+"]
            yield Trial(str(story.get("title", path.stem)), not found, found)
