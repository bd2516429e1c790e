"""The card of a model of a table, for people: as text and as a page that stands alone."""

from io import StringIO
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.table import Table as Grid

from agents.model_card import MEASURES, WIDTH
from agents.tables import TableCard

TEMPLATE = "table_page.html.j2"


def card(told: TableCard) -> str:
    """At most 80 columns wide, without colours."""
    out = Console(file=StringIO(), width=WIDTH, no_color=True, highlight=False)
    made, held, tested = told.rows
    out.print(f"Model {told.version}")
    if told.layout.description:
        out.print(f"  {told.layout.description}", markup=False)
    out.print(f"  goes quiet   {quiet_in_words(told)}", markup=False)
    out.print(f"  rows         {made:,} train, {held:,} calibrate, {tested:,} test; split by {told.split}")
    out.print(f"  columns      {len(told.layout.numbers)} of numbers, {len(told.layout.words)} of words")
    out.print(f"  method       LightGBM, {told.calibration.method} calibration\n")
    worth = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for name in ("test", "model", "logistic", ""):
        worth.add_column(name, justify="right" if name in {"model", "logistic"} else "left")
    for key, name, meaning in MEASURES:
        worth.add_row(name, f"{told.model[key]:.3f}", f"{told.logistic[key]:.3f}", meaning)
    out.print(worth)
    out.print("  logistic: a logistic regression on the same columns")
    out.print(f"  calibration error of so many rows by chance: {told.model['ece_by_chance']:.3f}")
    out.print(f"  log loss of the base rate alone ({told.base_rate:.1%}): {told.base_log_loss:.3f}")
    name, rank = told.single
    out.print(f"  best column alone: {name}, AUC {rank:.3f}", markup=False)
    for flag in told.flags:
        out.print(f"\nNot to be used: {flag}", markup=False)
    assert isinstance(out.file, StringIO)
    return "\n".join(line.rstrip() for line in out.file.getvalue().splitlines()) + "\n"


def quiet_in_words(told: TableCard) -> str:
    """What counts as going quiet."""
    return f"{told.layout.label.column} is {' or '.join(told.layout.label.quiet)}"


def page(told: TableCard) -> str:
    """The card as HTML; the same card gives the same bytes."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    figures = [
        {"name": name, "meaning": meaning, "model": told.model[key], "logistic": told.logistic[key]}
        for key, name, meaning in MEASURES
    ]
    return env.get_template(TEMPLATE).render(c=told, quiet=quiet_in_words(told), figures=figures)
