"""Rows that could not be used: counted by cause for people, and written down one by one."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, NamedTuple

from agents.logged import ReadReport
from schemas.errors import MappingInvalid, RejectReason

FILE_NAME = "rejects.jsonl"
EXAMPLES = 3
"""Lines that a cause is shown with."""


class RejectedRow(NamedTuple):
    """A row, or the part of it that could not be used, ready for a dead letter.

    Attributes:
        file: Name of the file.
        line: In the file; of Parquet the row.
        reason: For programs.
        field: Column, field of the event, or `row`.
        cause: What is wrong, in the same words for each such row.
        remedy: What to do.
        raw: The row's bytes as they came.
        detail: What was there.
        partial: The row became an event, without this field.
    """

    file: str
    line: int
    reason: RejectReason
    field: str
    cause: str
    remedy: str
    raw: bytes
    detail: str = ""
    partial: bool = False

    @property
    def message(self) -> str:
        """What is wrong with this row."""
        return f"{self.cause}: {self.detail}" if self.detail else self.cause


class Cause(NamedTuple):
    """What many rows have in common."""

    partial: bool
    field: str
    cause: str


class Seen:
    """How often a cause was met, and the first rows with it."""

    def __init__(self) -> None:
        """Not yet."""
        self.count = 0
        self.examples: list[RejectedRow] = []


class Rejects(AbstractContextManager["Rejects"]):
    """Takes rejected rows; keeps counts and a few examples in memory and writes each to a file of JSON lines.

    Args:
        folder: Gives the folder for the file; asked when the first row comes.

    Attributes:
        causes: What was wrong, in order of first appearance.
        path: Of the file; None while nothing was rejected.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        """Nothing is written before there is something to write."""
        self._folder = folder
        self._file: IO[str] | None = None
        self.causes: dict[Cause, Seen] = {}
        self.path: Path | None = None

    def take(self, row: RejectedRow) -> None:
        """Count and write one."""
        if self._file is None:
            self.path = self._folder() / FILE_NAME
            self._file = self.path.open("w", encoding="utf-8")
        seen = self.causes.setdefault(Cause(row.partial, row.field, row.cause), Seen())
        seen.count += 1
        if len(seen.examples) < EXAMPLES:
            seen.examples.append(row)
        told = {
            "file": row.file, "line": row.line, "reason": row.reason, "field": row.field, "message": row.message,
            "remedy": row.remedy, "rejected": "field" if row.partial else "row",
            "row": row.raw.decode("utf-8", "backslashreplace"),
        }  # fmt: skip
        self._file.write(json.dumps(told, ensure_ascii=False) + "\n")

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def count(self, *, partial: bool) -> int:
        """Whole rows, or single fields of rows that went through."""
        return sum(seen.count for cause, seen in self.causes.items() if cause.partial == partial)

    def lines(self, most: int = 8) -> list[str]:
        """The commonest causes, each with an example and its remedy; empty when nothing was rejected."""
        if self.path is None:
            return []
        by_count = sorted(self.causes.items(), key=lambda item: -item[1].count)
        told = [line for cause, seen in by_count[:most] for line in _lines(cause, seen)]
        if rest := by_count[most:]:
            told.append(f"  and {len(rest)} more causes with {sum(seen.count for _, seen in rest):,}")
        return told


def _lines(cause: Cause, seen: Seen) -> list[str]:
    first = seen.examples[0]
    places = ", ".join(f"{row.line}" for row in seen.examples) + (", …" if seen.count > len(seen.examples) else "")
    example = f", like {first.detail}" if first.detail else ""
    where = f"{first.file} line{'s' if seen.count > 1 else ''} {places}"
    return [f"{seen.count:>8,}  {cause.field}: {cause.cause}{example}", f"          {where}: {first.remedy}"]


def check_any(report: ReadReport, name: str, files: Sequence[Path]) -> None:
    """Raise MappingInvalid when a whole log came to nothing, with the balance."""
    if report.events:
        return
    fate = [f"{n:,} rejected" for n in [report.rejected.total()] if n]
    fate += [f"{n:,} left out ({why})" for why, n in report.skipped.items()]
    raise MappingInvalid(
        f"no row of {', '.join(map(str, files))} became an event by mapping {name!r}: of {report.rows:,} rows "
        f"{', '.join(fate) or 'none'}; correct the mapping"
    )
