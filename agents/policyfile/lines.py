"""In which line of a TOML text a key stands; `tomllib` reads values, but not where they were."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Place = tuple[str | int, ...]
"""A key by its path, elements of arrays by their index: `("playbooks", "active_risk", "steps", 0, "channel")`."""


class Lines:
    """Where the keys of a valid TOML text stand.

    A text is cut into statements: the fewest lines that `tomllib` takes by themselves. So strings and arrays over many
    lines need no grammar of our own.
    """

    def __init__(self, text: str) -> None:
        """Read a text that `tomllib` accepts."""
        self._found: dict[Place, int] = {}
        self._elements: dict[Place, int] = {}
        here: Place = ()
        for line, statement in _statements(text):
            raw = tomllib.loads(statement)
            if statement.lstrip().startswith("["):
                here = self._header(raw, array=statement.lstrip().startswith("[["))
                self._found.setdefault(here, line)
            else:
                self._keys(here, raw, line)

    def of(self, place: Sequence[str | int]) -> int:
        """The line of a key, or of the nearest thing around it that is written down; from 1."""
        for length in range(len(place), 0, -1):
            if line := self._found.get(tuple(place[:length])):
                return line
        return 1

    def _header(self, raw: Mapping[str, Any], *, array: bool) -> Place:
        names: list[str] = []
        inner: Any = raw
        while isinstance(inner, Mapping) and inner:
            name, inner = next(iter(inner.items()))
            names.append(name)
        place: Place = ()
        for i, name in enumerate(names):
            place = (*place, name)
            if array and i == len(names) - 1:
                self._elements[place] = self._elements.get(place, -1) + 1
            if place in self._elements:
                place = (*place, self._elements[place])
        return place

    def _keys(self, here: Place, raw: Any, line: int) -> None:
        inner = enumerate(raw) if isinstance(raw, list) else raw.items() if isinstance(raw, Mapping) else ()
        for name, value in inner:
            self._found.setdefault((*here, name), line)
            self._keys((*here, name), value, line)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line of its first character, statement); comments and empty lines are left out."""
    pending: list[str] = []
    begun = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not pending:
            begun = number
        pending.append(line)
        statement = "".join(pending)
        try:
            if tomllib.loads(statement):
                yield begun, statement
        except tomllib.TOMLDecodeError:
            continue
        pending = []
