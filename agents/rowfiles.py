"""Files as rows: CSV, whitespace-separated text, JSON lines, Parquet; each may be gzipped. One row in memory at a time.

Every row has its line number (for Parquet its row number) and its bytes as they came, so that a broken one can be shown
and kept.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from agents.mapping import FileShape, Format, Layout
from schemas.errors import MappingInvalid

BATCH_ROWS = 8_192
RAW_LIMIT = 65_536
"""Bytes kept of a broken row."""
_BY_SUFFIX: dict[str, tuple[Format, str | None]] = {
    ".csv": ("csv", ","), ".tsv": ("csv", "\t"), ".txt": ("whitespace", None), ".dat": ("whitespace", None),
    ".jsonl": ("jsonl", None), ".ndjson": ("jsonl", None), ".json": ("jsonl", None), ".parquet": ("parquet", None),
}  # fmt: skip


class Row(NamedTuple):
    """One row. `cells` holds the columns the mapping uses; None when the row cannot be read: `problem` says why."""

    line: int
    raw: bytes
    cells: dict[str, Any] | None
    problem: str = ""


def rows(path: Path, mapping: Layout) -> Iterator[Row]:
    """All rows of a file, broken ones included.

    Raises:
        MappingInvalid: the file is not there, its format is not known, or a column the mapping uses does not exist.
    """
    shape, delimiter = _shape(path, mapping.file)
    if not path.is_file():
        raise MappingInvalid(f"{path}: no such file")
    if shape == "parquet":
        yield from _parquet(path, mapping)
        return
    line = 0
    with cast("IO[bytes]", gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as stream:
        read = _jsonl(stream, mapping) if shape == "jsonl" else _table(stream, mapping, delimiter, path)
        try:
            for row in read:
                line = row.line
                yield row
        except (EOFError, OSError, zlib.error) as error:
            yield Row(line + 1, b"", None, f"the file cannot be read further: {error}")


def _shape(path: Path, shape: FileShape) -> tuple[Format, str | None]:
    suffix = (path.with_suffix("") if path.suffix == ".gz" else path).suffix
    kind, delimiter = _BY_SUFFIX.get(suffix, (shape.format, ","))
    kind = shape.format or kind
    if kind is None:
        raise MappingInvalid(
            f'{path}: cannot tell the format from the name; set file.format = "csv" (or whitespace, jsonl, parquet)'
        )
    return kind, None if kind == "whitespace" else shape.delimiter or delimiter or ","


def _picked(names: Sequence[str], mapping: Layout, origin: str) -> dict[str, int]:
    """Column of the mapping -> its place in the file."""
    here = {mapping.file.rename.get(name, name): place for place, name in enumerate(names)}
    for column, key in mapping.columns().items():
        if column not in here:
            raise MappingInvalid(
                f"{origin} has no column {column!r}, which {key} of mapping {mapping.name!r} uses; "
                f"it has {', '.join(here)}. "
                "Correct the mapping, or name the columns with file.columns or file.rename"
            )
    return {column: here[column] for column in mapping.columns()}


class _Tee:
    """Lines as text for the csv module, keeping the bytes since the last row.

    Bytes that are no UTF-8 become surrogates, which no field of an event accepts: they harm only a row that uses them.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.kept = stream, bytearray()
        self.line = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            self.line += 1
            if len(self.kept) < RAW_LIMIT:
                self.kept += line
            text = line.decode("utf-8", "surrogateescape")
            yield text.removeprefix("\ufeff") if self.line == 1 else text

    def take(self) -> bytes:
        kept = bytes(self.kept[:RAW_LIMIT]).rstrip(b"\r\n")
        self.kept.clear()
        return kept


def _table(stream: IO[bytes], mapping: Layout, delimiter: str | None, path: Path) -> Iterator[Row]:
    tee = _Tee(stream)
    lines = (line.split() for line in tee) if delimiter is None else csv.reader(tee, delimiter=delimiter)
    names: Sequence[str] = mapping.file.columns
    if mapping.file.header:
        header = next(lines, [])
        names = names or [name.strip() for name in header]
        tee.take()
    picked, width = _picked(names, mapping, str(path)), len(names)
    while True:
        first = tee.line + 1
        try:
            cells = next(lines, None)
        except csv.Error as error:
            yield Row(first, tee.take(), None, f"is not CSV: {error}")
            continue
        if cells is None:
            return
        raw = tee.take()
        if len(cells) == width:
            yield Row(first, raw, {name: cells[place] for name, place in picked.items()})
        elif cells:
            yield Row(first, raw, None, f"has {len(cells)} columns where {width} are expected")


def _jsonl(stream: IO[bytes], mapping: Layout) -> Iterator[Row]:
    back = {new: old for old, new in mapping.file.rename.items()}
    paths = {column: back.get(column, column) for column in mapping.columns()}
    for line, raw in enumerate(stream, 1):
        kept = raw.rstrip(b"\r\n")
        if not kept.strip():
            continue
        try:
            found = json.loads(kept)
        except (ValueError, RecursionError) as error:
            yield Row(line, kept[:RAW_LIMIT], None, f"is not JSON: {error}")
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


def _parquet(path: Path, mapping: Layout) -> Iterator[Row]:
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
        yield Row(line + 1, b"", None, f"the file cannot be read further: {error}")


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
