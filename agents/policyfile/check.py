"""What is wrong with a policy file: with its line, and what to do about each."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from agents.policyfile.lines import Lines, Place
from agents.policyfile.texts import unrenderable
from schemas.errors import PolicyInvalid
from streams.findings import ContradictionError, Finding
from streams.policy import Policy
from streams.unreachable import unreachable

UNION = "trigger"
"""A key whose value is of one of several shapes: pydantic puts the shape's name after it."""


class Problem(NamedTuple):
    """One thing wrong with a file. `line` is 0 where the file has no lines to speak of (JSON)."""

    line: int
    finding: Finding


def check_policy(path: Path, templates: Path | None) -> tuple[Policy | None, list[Problem]]:
    """Read a policy file and look for everything that is wrong with it, in the order of its lines.

    Args:
        path: TOML, or JSON as written by a try-out.
        templates: Folder with the message texts its steps name; None: only what keeps the policy from being used.

    Returns:
        The policy, where it can be read at all, and the problems; no problem: it may be used.

    Raises:
        PolicyInvalid: The file cannot be opened, or is neither TOML nor JSON; names the line.
    """
    raw, lines = read_raw(path)
    try:
        policy = Policy.model_validate(raw)
    except ValidationError as error:
        return None, _sorted((f for e in error.errors(include_url=False) for f in _findings(e)), lines)
    if templates is None:
        return policy, []
    return policy, _sorted([*unreachable(policy), *unrenderable(policy, templates)], lines)


def read_raw(path: Path) -> tuple[dict[str, Any], Lines | None]:
    """The file's values, and where they stand. Raises PolicyInvalid."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return json.loads(text), None
        return tomllib.loads(text), Lines(text)
    except OSError as error:
        raise PolicyInvalid(
            f"{path}: {error.strerror}; name a policy file, like deploy/policies/real_estate.toml"
        ) from error
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise PolicyInvalid(f"{path}: {error}") from error


def _sorted(findings: Iterator[Finding] | Sequence[Finding], lines: Lines | None) -> list[Problem]:
    return sorted((Problem(lines.of(f.place) if lines else 0, f) for f in findings), key=lambda p: p.line)


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
            yield Finding(place, "unknown key", _instead(loc))
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


def _instead(place: Place) -> str:
    known = _keys(Policy, place[:-1])
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
