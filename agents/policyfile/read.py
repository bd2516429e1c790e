"""Reads a policy file; what keeps it from being used is told with its line, and what to do about each."""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from agents.policyfile.lines import Lines, Place
from schemas.errors import PolicyInvalid, PolicyMissing
from streams.findings import ContradictionError, Finding
from streams.policy import Policy

NAMES = "letters, digits, _ . and - only, at most 64"
IDS: Mapping[Place, str] = {
    ("name",): f"write what tells it from others, in {NAMES}, like real_estate",
    ("version",): f"write what tells it from others, like a number for each change, in {NAMES}",
}
"""Keys that go into ids of messages, with what to write there."""
UNION = "trigger"
"""A key whose value is of one of several shapes: pydantic puts the shape's name after it."""


class Problem(NamedTuple):
    """One thing wrong with a file. `line` is 0 where the file has no lines to speak of (JSON)."""

    line: int
    finding: Finding


def load_policy(path: Path) -> Policy:
    """A policy that may be used. Raises PolicyInvalid that says all that is wrong: file, line, key, remedy."""
    policy, problems = read_policy(path)
    if policy is None:
        said = "\n".join(f"  {in_words(path, problem)}" for problem in problems)
        raise PolicyInvalid(f"{path} is not a valid policy:\n{said}")
    return policy


def read_policy(path: Path) -> tuple[Policy | None, list[Problem]]:
    """The policy, or why there is none.

    Args:
        path: TOML, or JSON as written by a try-out.

    Raises:
        PolicyInvalid: The file cannot be opened, or is neither TOML nor JSON; names the line.
    """
    raw = read_raw(path)
    try:
        return Policy.model_validate(raw), []
    except ValidationError as error:
        return None, located(path, (f for e in error.errors(include_url=False) for f in _findings(e)))


def in_words(path: Path, problem: Problem) -> str:
    """A problem on one line, as compilers write it."""
    line, (place, what, remedy) = problem
    where = f"{path}:{line}" if line else str(path)
    return f"{where}: {'.'.join(map(str, place)) or 'policy'}: {what}; {remedy}"


def located(path: Path, findings: Iterable[Finding]) -> list[Problem]:
    """What was found, in the order of the file's lines."""
    found = list(findings)
    lines = Lines(path.read_text(encoding="utf-8")) if found and path.suffix != ".json" else None
    return sorted((Problem(lines.of(f.place) if lines else 0, f) for f in found), key=lambda p: p.line)


def read_raw(path: Path) -> dict[str, Any]:
    """The file's values. Raises PolicyInvalid."""
    try:
        text = path.read_text(encoding="utf-8")
        raw: dict[str, Any] = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        kind = PolicyMissing if isinstance(error, FileNotFoundError) else PolicyInvalid
        raise kind(
            f"{path}: {error.strerror}; name a policy file, like deploy/policies/real_estate.toml (LEADKEEPER_POLICY, "
            "or the option of the command)"
        ) from error
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise PolicyInvalid(f"{path}: {error}") from error
    return raw


def _findings(error: Mapping[str, Any]) -> Iterator[Finding]:
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, ContradictionError):
        yield from cause.findings
        return
    loc = tuple(part for part in error["loc"] if part != "[key]")
    place: Place = tuple(part for before, part in zip((None, *loc), loc, strict=False) if before != UNION)
    said = str(error["msg"]).removeprefix("Value error, ").rstrip(".")
    match error["type"]:
        case "extra_forbidden":
            yield Finding(place, "unknown key", instead(Policy, loc))
        case "string_pattern_mismatch" if place in IDS:
            what = "is empty" if not error["input"] else f"{error['input']!r} cannot be part of an id"
            yield Finding(place, what, IDS[place])
        case "string_pattern_mismatch" | "string_too_short" if not error["input"].strip():
            yield Finding(place, "is empty", "write something there, or take it out")
        case "missing":
            yield Finding(place, "is missing", f"add {place[-1]} = … there")
        case "enum" | "literal_error":
            yield Finding(
                place, f"{_short(error['input'])} is not possible", f"write one of {error['ctx']['expected']}"
            )
        case "union_tag_invalid":
            yield Finding(
                (*place, "type"),
                f"{error['ctx']['tag']!r} is not possible",
                f"write one of {error['ctx']['expected_tags']}",
            )
        case _:
            yield Finding(place, f"{_short(error['input'])} is not possible", said[:1].lower() + said[1:])


def _short(value: object) -> str:
    return f"{value!r}" if not isinstance(value, Mapping | list) else "what stands here"


def instead(model: type[BaseModel], place: Place) -> str:
    """What to write in place of a key that there is not."""
    known = _keys(model, place[:-1])
    near = get_close_matches(str(place[-1]), known, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _keys(model: type[BaseModel], place: Place) -> list[str]:
    """The keys there are at a place."""
    found: list[type[BaseModel]] = [model]
    for part in place:
        if tagged := [m for m in found if (tag := m.model_fields.get("type")) and part in get_args(tag.annotation)]:
            found = tagged
        elif isinstance(part, str) and part in found[0].model_fields:
            found = list(_models(found[0].model_fields[part].annotation)) or found
        # else: an element of an array, or a name that the writer chose
    return list(found[0].model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
