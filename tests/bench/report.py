"""Figures of one run, put together over its repeats: a table for the terminal and JSON for a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from tests.bench.figures import Figure

LESS_IS_BETTER = frozenset({"us/event", "ms", "s", "B/lead", "us/lead"})


class Spread(NamedTuple):
    """Smallest, median and largest of several values."""

    min: float
    median: float
    max: float


class Line(NamedTuple):
    """One figure over all repeats.

    Attributes:
        first: The first repeat; it names the figure.
        values: Those that stand, repeat by repeat; None where one is void.
        voids: Why some do not stand.
        loads: Load averages beside the values.
        times_better: How many times better ours (the first subject of the bench and case that is no peer) was, repeat by repeat.
    """

    first: Figure
    values: list[float | None]
    voids: list[str]
    loads: list[float]
    times_better: Spread | None

    @property
    def spread(self) -> Spread | None:
        """Over the values that stand; None when none does."""
        return _spread([value for value in self.values if value is not None])


def gather(figures: Iterable[Figure]) -> list[Line]:
    """Put repeats of the same figure together, in the order in which they first came."""
    groups: dict[tuple[str, str, str, str], list[Figure]] = {}
    for figure in figures:
        groups.setdefault((figure.bench, figure.case, figure.subject, figure.metric), []).append(figure)
    ours: dict[tuple[str, str, str], list[float | None]] = {}
    lines = []
    for (bench, case, _, metric), group in groups.items():
        values = [None if f.void else f.value for f in group]
        first = group[0]
        if not first.peer and any(values):  # whoever was passed over has no figure to be compared with
            ours.setdefault((bench, case, metric), values)
        reference = ours.get((bench, case, metric), [])
        better = _times_better(reference, values, first.unit) if first.peer else None
        lines.append(Line(first, values, sorted({f.void for f in group if f.void}), [f.load for f in group], better))
    return lines


def _times_better(ours: list[float | None], theirs: list[float | None], unit: str) -> Spread | None:
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=False) if a and b]
    return _spread([b / a if unit in LESS_IS_BETTER else a / b for a, b in pairs])


def _spread(values: list[float]) -> Spread | None:
    return Spread(min(values), median(values), max(values)) if values else None


def show(console: Console, heading: Mapping[str, Any], lines: Iterable[Line]) -> None:
    """Print where and when it was measured, and a table for each bench."""
    machine, versions, broker = heading["machine"], heading["versions"], heading["broker"]
    console.print(f"[bold]{heading['made']}[/]  {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
                  f"{machine['system']}", soft_wrap=True)  # fmt: skip
    console.print(", ".join(f"{name} {version}" for name, version in versions.items()), soft_wrap=True)
    console.print(f"broker: {broker['kind']}" + (f" ({broker['why']})" if broker["why"] else ""), soft_wrap=True)
    by_bench: dict[str, list[Line]] = {}
    for line in lines:
        by_bench.setdefault(line.first.bench, []).append(line)
    for bench, group in by_bench.items():
        table = Table(title=bench, title_justify="left", title_style="bold", show_edge=False, pad_edge=False)
        for name in ("case", "who", "what", "unit"):
            table.add_column(name, no_wrap=True)
        for name in ("min", "median", "max", "ours is", "load"):
            table.add_column(name, justify="right", no_wrap=True)
        for line in group:
            if line.spread:
                table.add_row(*_row(line, line.spread))
        console.print(table)
        for line in group:
            for void in line.voids:
                console.print(f"{_name(line.first)}: {void}", soft_wrap=True, style="yellow")
        for note in dict.fromkeys(f"{line.first.subject}: {line.first.note}" for line in group if line.first.note):
            console.print(note, soft_wrap=True)


def _row(line: Line, spread: Spread) -> list[str]:
    first = line.first
    better = _times(line.times_better) if line.times_better else ""
    return [first.case, first.subject, first.metric, first.unit, *map(_short, spread), better, f"{max(line.loads):.1f}"]


def _times(better: Spread) -> str:
    """The median of the repeats, and what it lies between."""
    between = f" ({better.min:.2f} to {better.max:.2f})" if better.min != better.max else ""
    return f"{better.median:.2f} x{between}"


def _name(figure: Figure) -> str:
    return " ".join(filter(None, [figure.case, figure.subject, figure.metric]))


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def write(path: Path, heading: Mapping[str, Any], lines: Iterable[Line]) -> None:
    """Write everything as JSON."""
    figures = [
        {
            "bench": line.first.bench,
            "case": line.first.case,
            "who": line.first.subject,
            "what": line.first.metric,
            "unit": line.first.unit,
            "values": line.values,
            **(line.spread._asdict() if line.spread else dict.fromkeys(Spread._fields)),
            "times_better": line.times_better._asdict() if line.times_better else None,
            "voids": line.voids,
            "loads": line.loads,
            "note": line.first.note,
        }
        for line in lines
    ]
    path.write_text(json.dumps({**heading, "figures": figures}, indent=2) + "\n")
