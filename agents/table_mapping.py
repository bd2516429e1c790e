"""How a table with one row for each customer is read: a small TOML mapping. Unknown keys are refused.

name, description     for people
id                    column with the customer
numbers, words        columns to learn from: as numbers, as categories
after                 columns known only after the label; they may not be among those to learn from
missing               texts that mean "not filled in", like "Select"; an empty cell always does

[file]                as in a mapping of a log (`agents.mapping`)
[label]
  column
  quiet               values that mean: went quiet
[time]                when a row was true, as in a mapping of a log; left out: rows are split by a hash of the id
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from agents.mapping import FOLDER, said
from agents.sections import FileShape, TimeRule
from schemas.errors import MappingInvalid, MappingMissing
from streams.thresholds import Section

TABLES = FOLDER / "snapshots"


class TableLabel(Section):
    """Which rows went quiet."""

    column: str
    quiet: Annotated[tuple[str, ...], Field(min_length=1)]


class TableLayout(Section):
    """A whole mapping of a table, checked."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    description: str = ""
    id: str
    numbers: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    after: tuple[str, ...] = Field(default=(), description="known only after the label")
    missing: tuple[str, ...] = ()
    file: FileShape = FileShape()
    label: TableLabel
    time: TimeRule | None = None

    @model_validator(mode="after")
    def _honest(self) -> Self:
        used = [*self.numbers, *self.words]
        if not used:
            raise ValueError("numbers and words are empty: name columns to learn from")
        if twice := {c for c in used if used.count(c) > 1}:
            raise ValueError(f"{', '.join(sorted(twice))}: named twice in numbers and words")
        if told := set(used) & {*self.after, self.label.column, self.id}:
            raise ValueError(
                f"{', '.join(sorted(told))}: the label, the id and what is known only after may not be learned from"
            )
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Columns to learn from, in the order in which the model sees them."""
        return (*self.numbers, *self.words)

    def columns(self) -> dict[str, str]:
        """Every column that is used -> the key that uses it."""
        return {
            **dict.fromkeys(self.numbers, "numbers"),
            **dict.fromkeys(self.words, "words"),
            self.id: "id",
            self.label.column: "label.column",
            **({self.time.column: "time.column"} if self.time else {}),
        }

    def without_label(self) -> "ToScore":
        """What has to be there to score rows whose label nobody knows yet."""
        return ToScore(self)


class ToScore:
    """The same table without its label."""

    def __init__(self, layout: TableLayout) -> None:
        """Takes the layout as it was trained with."""
        self.name, self.file, self._layout = layout.name, layout.file, layout

    def columns(self) -> dict[str, str]:
        """Columns that are used, but for the label and the time."""
        needed = {*self._layout.names, self._layout.id}
        return {column: key for column, key in self._layout.columns().items() if column in needed}


def load_table_mapping(name: str | Path) -> TableLayout:
    """A mapping by path, or by the name of one in `deploy/mappings/snapshots`.

    Raises:
        MappingInvalid: no such file, not TOML, or wrong keys; says which.
    """
    path = Path(name)
    if path.suffix != ".toml" and not path.exists():
        path = TABLES / f"{name}.toml"
    try:
        return TableLayout.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        shipped = ", ".join(sorted(p.stem for p in TABLES.glob("*.toml")))
        raise MappingMissing(f"no mapping of a table at {path}: give a .toml file or one of {shipped}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MappingInvalid(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, e['loc'])) or 'mapping'}: {_remedy(e)}" for e in error.errors(include_input=False)
        ]
        raise MappingInvalid(f"{path} is not a valid mapping of a table:\n" + "\n".join(lines)) from None


def _remedy(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key; see the top of agents/table_mapping.py for those there are"
    return "is missing" if error["type"] == "missing" else said(error)
