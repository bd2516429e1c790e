"""A policy that may not be used, read as far as it can be: so that one look tells all that is wrong, and not a stage after another.

What is unknown or impossible is left out where something stands in for it. What is then told must not be a consequence of
that: nothing about the tables in which something was left out, and, where others refer to those, only of missing texts.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from agents.policyfile.texts import unrenderable
from streams.contradictions import contradictions
from streams.findings import Finding
from streams.policy import READ_ANYWAY, Policy
from streams.unreachable import unreachable

Place = tuple[str | int, ...]
REFERRED = frozenset({"vocabulary", "channels", "journey", "campaigns", "playbooks", "stages", "experiments", "offers"})
"""Tables of which others speak: what is wrong there may be what seems wrong elsewhere."""


class Readable(NamedTuple):
    """A policy without what could not be read, and where that stood."""

    policy: Policy
    left_out: tuple[Place, ...]


def readable(raw: Mapping[str, Any]) -> Readable | None:
    """As much of a policy as can be read; None where that is not enough of one."""
    try:
        return Readable(Policy.model_validate(raw, context=READ_ANYWAY), ())
    except ValidationError as error:
        places: list[Place] = [tuple(one["loc"]) for one in error.errors(include_url=False, include_context=False)]
    kept = deepcopy(dict(raw))
    if not all(_taken_out(kept, place) for place in places):
        return None
    try:
        return Readable(Policy.model_validate(kept, context=READ_ANYWAY), tuple(places))
    except ValidationError:
        return None


def further(found: Readable, templates: Path) -> Iterator[Finding]:
    """What else is wrong with it, and not only because something was left out."""
    tables, policy = {place[0] for place in found.left_out}, found.policy
    if not tables & REFERRED and tables <= Policy.model_fields.keys():
        against = [one for one in contradictions(policy) if one.place[0] not in tables]
        if found.left_out:  # else they were told when it was read
            yield from against
        if not {one.place[0] for one in against} & REFERRED:
            yield from (one for one in unreachable(policy) if one.place[0] not in tables)
    doubtful = {one.place[:-1] for one in contradictions(policy)}
    yield from (one for one in unrenderable(policy, templates) if one.place[:-1] not in doubtful)


def _taken_out(raw: Any, place: Place) -> bool:
    *way, last = place
    here = raw
    for part in way:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            return False
    if not isinstance(here, dict) or last not in here:
        return False
    del here[last]
    return True
