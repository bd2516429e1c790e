"""Files as rows: CSV, whitespace-separated text, JSON lines, Parquet; each may be gzipped. One row in memory at a time.

Every row has its line number (for Parquet its row number) and its bytes as they came, so that a broken one can be shown
and kept.
"""

import csv
import gzip
import io
import json
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

from agents.cells import ENCODING, decoded, visible
from agents.sections import FileShape, Format
from schemas.errors import MappingInvalid, MappingMissing

BATCH_ROWS = 8_192
RAW_LIMIT = 65_536
"""Bytes kept of a broken row."""
DELIMITERS = ",;\t|"
_BY_SUFFIX: dict[str, tuple[Format, str]] = {
    ".csv": ("csv", DELIMITERS), ".tsv": ("csv", "\t"), ".txt": ("whitespace", ""), ".dat": ("whitespace", ""),
    ".jsonl": ("jsonl", ""), ".ndjson": ("jsonl", ""), ".json": ("jsonl", ""), ".parquet": ("parquet", ""),
}  # fmt: skip


class Wanted(Protocol):
    """What a reader has to know of a mapping: its name, how the file is laid out, which columns are used."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def file(self) -> FileShape:
        """How the file is laid out."""

    def columns(self) -> dict[str, str]:
        """Every column that is used -> the key that uses it."""


class Row(NamedTuple):
    """One row. `cells` holds the columns the mapping uses; None when the row cannot be read: `problem` says why, `detail` where."""

    line: int
    raw: bytes
    cells: dict[str, Any] | None
    problem: str = ""
    detail: str = ""
    remedy: str = "correct the line"


def rows(path: Path, mapping: Wanted) -> Iterator[Row]:
    """All rows of a file, broken ones included.

    Raises:
        MappingInvalid: the file is not there, its format is not known, or a column the mapping uses does not exist.
    """
    shape, delimiters = _shape(path, mapping.file)
    if not path.is_file():
        raise MappingMissing(f"{path}: no such file")
    if shape == "parquet":
        yield from _parquet(path, mapping)
        return
    line = 0
    with cast("IO[bytes]", gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as stream:
        read = _jsonl(stream, mapping) if shape == "jsonl" else _table(stream, mapping, delimiters, path)
        try:
            for row in read:
                line = row.line
                yield row
        except (EOFError, OSError, zlib.error) as error:
            yield Row(line + 1, b"", None, "the file cannot be read further", str(error), "get the file anew")


def _shape(path: Path, shape: FileShape) -> tuple[Format, str]:
    """The format, and the delimiters to try; empty: runs of blanks."""
    suffix = (path.with_suffix("") if path.suffix == ".gz" else path).suffix
    kind, delimiters = _BY_SUFFIX.get(suffix, (shape.format, DELIMITERS))
    kind = shape.format or kind
    if kind is None:
        raise MappingInvalid(
            f'{path}: cannot tell the format from the name; set file.format = "csv" (or whitespace, jsonl, parquet)'
        )
    return kind, "" if kind == "whitespace" else shape.delimiter or delimiters or DELIMITERS


def _picked(names: Sequence[str], mapping: Wanted, origin: str) -> dict[str, int]:
    """Column of the mapping -> its place in the file."""
    here = {mapping.file.rename.get(name, name): place for place, name in enumerate(names)}
    for column, key in mapping.columns().items():
        if column not in here:
            raise MappingInvalid(
                f"{origin} has no column {column!r}, which {key} of mapping {mapping.name!r} uses; "
                f"it has {', '.join(map(visible, here)) or 'no columns'}. "
                "Correct the mapping, or name the columns with file.columns or file.rename"
                + ("" if all(map(decoded, here)) else f"; {ENCODING}")
            )
    return {column: here[column] for column in mapping.columns()}


class _Tee:
    """Lines as text for the csv module, keeping the bytes since the last row.

    Bytes that are not of the encoding become surrogates, which no field of an event accepts: they harm only a row that
    uses them.
    """

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream, self._encoding, self.kept = stream, encoding, bytearray()
        self.line = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            self.line += 1
            if len(self.kept) < RAW_LIMIT:
                self.kept += line
            text = line.decode(self._encoding, "surrogateescape")
            yield text.removeprefix("\ufeff") if self.line == 1 else text

    def take(self) -> bytes:
        kept = bytes(self.kept[:RAW_LIMIT]).rstrip(b"\r\n")
        self.kept.clear()
        return kept


def _delimiter(first: str, candidates: str, mapping: Wanted) -> str:
    """The one that cuts the first line into the columns that the mapping uses; if none does, the one that cuts it most."""
    cut = {mark: [name.strip() for name in next(csv.reader([first], delimiter=mark), [])] for mark in candidates}
    wanted, named = set(mapping.columns()), len(mapping.file.columns)
    for mark, names in cut.items():
        if len(names) == named if named else wanted <= {mapping.file.rename.get(name, name) for name in names}:
            return mark
    return max(cut, key=lambda mark: len(cut[mark]))


def _table(stream: IO[bytes], mapping: Wanted, delimiters: str, path: Path) -> Iterator[Row]:
    tee = _Tee(stream, mapping.file.encoding)
    text = iter(tee)
    first = next(text, "")
    if bytes(tee.kept[:2]) in {BOM_UTF16_LE, BOM_UTF16_BE}:
        raise MappingInvalid(f"{path} is UTF-16: convert it first, like `iconv -f UTF-16 -t UTF-8`")
    everything = chain([first] if first else [], text)
    if delimiters:
        lines: Iterator[list[str]] = csv.reader(everything, delimiter=_delimiter(first, delimiters, mapping))
    else:
        lines = (line.split() for line in everything)
    yield from _cut(lines, tee, mapping, path)


def _cut(lines: Iterator[list[str]], tee: _Tee, mapping: Wanted, path: Path) -> Iterator[Row]:
    names: Sequence[str] = mapping.file.columns
    begin = 1
    if mapping.file.header:
        header = next(lines, [])
        names = names or [name.strip() for name in header]
        tee.take()
        begin = tee.line + 1
    picked, width = _picked(names, mapping, str(path)), len(names)
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:
            yield Row(begin, tee.take(), None, "is not CSV", str(error))
            begin = tee.line + 1
            continue
        if cells is None:
            return
        raw, line = tee.take(), begin
        begin = tee.line + 1
        if len(cells) == width:
            yield Row(line, raw, {name: cells[place] for name, place in picked.items()})
        elif cells:
            yield Row(line, raw, None, f"has {len(cells)} columns where {width} are expected")


def _jsonl(stream: IO[bytes], mapping: Wanted) -> Iterator[Row]:
    back = {new: old for old, new in mapping.file.rename.items()}
    paths = {column: back.get(column, column) for column in mapping.columns()}
    for line, raw in enumerate(stream, 1):
        kept = raw.rstrip(b"\r\n")
        if not kept.strip():
            continue
        try:
            found = json.loads(kept.decode(mapping.file.encoding).removeprefix("\ufeff"))
        except UnicodeDecodeError as error:
            yield Row(line, kept[:RAW_LIMIT], None, f"is not text in {mapping.file.encoding}", str(error), ENCODING)
            continue
        except (ValueError, RecursionError) as error:
            yield Row(line, kept[:RAW_LIMIT], None, "is not JSON", str(error))
            continue
        if isinstance(found, dict):
            yield Row(line, kept[:RAW_LIMIT], {column: _at(found, way) for column, way in paths.items()})
        else:
            yield Row(line, kept[:RAW_LIMIT], None, "is not a JSON object")


def _at(found: dict[str, Any], way: str) -> Any:
    """A field, also a nested one: `user.id`."""
    if way in found:
        return found[way]
    value: Any = found
    for step in way.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _parquet(path: Path, mapping: Wanted) -> Iterator[Row]:
    import pyarrow as pa  # noqa: PLC0415 - 30 MB that only Parquet needs
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(io.BytesIO(gzip.decompress(path.read_bytes())) if path.suffix == ".gz" else path)
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        raise MappingInvalid(f"{path} is not Parquet: {error}; set file.format") from None
    names = file.schema_arrow.names
    picked = _picked(names, mapping, str(path))
    line = 0
    try:
        for batch in file.iter_batches(BATCH_ROWS, columns=[names[place] for place in picked.values()]):
            held = {column: _values(batch.column(names[place])) for column, place in picked.items()}
            for values in zip(*held.values(), strict=True):
                line += 1
                yield Row(line, b"", dict(zip(held, values, strict=True)))
    except (pa.ArrowException, OSError) as error:
        yield Row(line + 1, b"", None, "the file cannot be read further", str(error), "get the file anew")


def _values(column: Any) -> list[Any]:
    """As Python objects; times to the microsecond, which is what `datetime` can hold."""
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    values: list[Any] = column.to_pylist()
    return values


def raw_of(row: Row) -> bytes:
    """The row's bytes; a row of a binary format as JSON."""
    return row.raw or json.dumps(row.cells, default=str, ensure_ascii=False).encode("utf-8", "replace")[:RAW_LIMIT]
