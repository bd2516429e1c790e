"""How rows that could not be used are told, by every command that reads a log."""

from pathlib import Path

from rich.console import Console

from agents.rejects import Rejects


def tell_rejects(console: Console, rejects: Rejects, *, dead_lettered: bool) -> None:
    """How many, why, where, and what to do; the file that has them all. Nothing, where nothing was rejected."""
    if rejects.path is None:
        return
    rows, fields = rejects.count(partial=False), rejects.count(partial=True)
    told = [f"{rows:,} row{' is no event' if rows == 1 else 's are no events'}"] if rows else []
    if fields:
        told.append(f"{fields:,} profile value{'' if fields == 1 else 's'} left out (the event of the row counts)")
    console.print(f"[yellow]{', '.join(told)}:[/]", soft_wrap=True)
    for line in rejects.lines():
        console.print(line, soft_wrap=True, markup=False)
    also = " (dead-lettered as well)" if dead_lettered else ""
    console.print(f"each with its line and remedy: {near(rejects.path)}{also}", soft_wrap=True, markup=False)


def near(path: Path) -> Path:
    """A path as short as it can be typed from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
