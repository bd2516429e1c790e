"""`leadkeeper train --snapshot …` and `leadkeeper score …`: tables with one row for each customer."""

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.common import err, fail_for, load, out
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from agents.tables import TableCard

_SHOWN = (
    ("auc", "AUC"),
    ("average_precision", "average precision"),
    ("log_loss", "log loss"),
    ("brier", "Brier"),
    ("ece", "calibration error"),
    ("lift_at_10", "lift in the top 10 %"),
)


def train_from_table(files: list[Path], mapping: str, models: Path) -> None:
    """Train a model for rows of that form, print its card, save it."""
    from agents.table_mapping import load_table_mapping
    from agents.tables import train_table

    try:
        layout = load_table_mapping(mapping)
        with err.status("training ..."):
            model = train_table(files, layout)
        folder = model.save(models)
    except LeadkeeperError as error:
        fail_for(error)
    _card(model.card)
    out.print(f"saved to {folder}; use it: leadkeeper score FILE --model {model.card.version}", soft_wrap=True)


def score_command(
    files: Annotated[
        list[Path], typer.Argument(metavar="TABLE...", help="of the form the model was trained on", exists=True)
    ],
    model: Annotated[str, typer.Option(help="version of a model of a table, like t-telco-0123456789")],
    models: Annotated[Path | None, typer.Option(help="folder of models (LEADKEEPER_MODELS)")] = None,
    to: Annotated[Path | None, typer.Option(help="a CSV file; left out: the terminal")] = None,
) -> None:
    """Score a table with one row for each customer: CSV with the id and the probability of going quiet."""
    from agents.tables import FOLDER_OF_TABLES, load_table_model, read_table

    settings = load(LeadSettings, models=models)
    try:
        found = load_table_model(settings.models / FOLDER_OF_TABLES / model)
        table = read_table(files, found.card.layout, labelled=False)
    except LeadkeeperError as error:
        fail_for(error)
    scores = found.score(table).tolist()
    with to.open("w", newline="", encoding="utf-8") if to else sys.stdout as stream:
        writer = csv.writer(stream)
        writer.writerow((found.card.layout.id, "probability"))
        writer.writerows((lead, f"{p:.6f}") for lead, p in zip(table.ids, scores, strict=True))
    if to:
        out.print(f"{len(scores):,} rows scored by {found.card.version}: {to}", soft_wrap=True)


def _card(card: "TableCard") -> None:
    made, held, tested = card.rows
    out.print(f"Model {card.version}\n  {card.layout.description}", markup=False)
    out.print(f"  rows         {made:,} train, {held:,} calibrate, {tested:,} test; split by {card.split}")
    out.print(f"  columns      {len(card.layout.numbers)} of numbers, {len(card.layout.words)} of words\n")
    out.print(f"  {'test':24}{'model':>8}{'logistic regression':>22}")
    for key, name in _SHOWN:
        out.print(f"  {name:24}{card.model[key]:8.3f}{card.logistic[key]:22.3f}")
    name, rank = card.single
    out.print(f"  best column alone: {name}, AUC {rank:.3f}; log loss of the base rate: {card.base_log_loss:.3f}\n")
    for flag in card.flags:
        out.print(f"[bold red]flag:[/] {flag}", soft_wrap=True)
