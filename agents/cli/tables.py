"""`leadkeeper train --snapshot …` and `leadkeeper score …`: tables with one row for each customer."""

import csv
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from agents.cli.common import FAILED, err, fail, fail_for, load, out, there
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError


def train_from_table(files: list[Path], mapping: str, models: Path) -> None:
    """Train a model for rows of that form, print its card, save it."""
    from agents.table_card import card
    from agents.table_mapping import load_table_mapping
    from agents.tables import train_table

    try:
        layout = load_table_mapping(mapping)
        with err.status("training ..."):
            model = train_table(files, layout)
        folder = model.save(models)
    except LeadkeeperError as error:
        fail_for(error)
    out.print(card(model.card), markup=False)
    use = f"use it: leadkeeper score FILE --model {model.card.version}"
    out.print(f"saved to {folder}; {'it is flagged and scores nothing' if model.card.flags else use}", soft_wrap=True)


def score_command(
    files: Annotated[
        list[Path], typer.Argument(metavar="TABLE...", help="of the form the model was trained on", callback=there)
    ],
    model: Annotated[str, typer.Option(help="version of a model of a table, like t-telco-0123456789")],
    models: Annotated[Path | None, typer.Option(help="folder of models (LEADKEEPER_MODELS)")] = None,
    to: Annotated[Path | None, typer.Option(help="a CSV file; left out: the terminal")] = None,
    despite_flags: Annotated[
        bool, typer.Option("--despite-flags", help="although there are signs that it saw the answer in training")
    ] = False,
) -> None:
    """Score a table with one row for each customer: CSV with the id and the probability of going quiet."""
    from agents.tables import FOLDER_OF_TABLES, load_table_model, read_table

    settings = load(LeadSettings, models=models)
    try:
        found = load_table_model(settings.models / FOLDER_OF_TABLES / model)
        table = read_table(files, found.card.layout, labelled=False)
    except LeadkeeperError as error:
        fail_for(error)
    if found.card.flags and not despite_flags:
        fail(
            FAILED,
            f"{model} may have seen the answer: {'; '.join(found.card.flags)}. Name such columns under `after` in its mapping "
            "and train again; or say --despite-flags",
        )
    scores = found.score(table).tolist()
    with to.open("w", newline="", encoding="utf-8") if to else nullcontext(sys.stdout) as stream:
        writer = csv.writer(stream)
        writer.writerow((found.card.layout.id, "probability"))
        writer.writerows((lead, f"{p:.6f}") for lead, p in zip(table.ids, scores, strict=True))
    if to:
        out.print(f"{len(scores):,} rows scored by {found.card.version}: {to}", soft_wrap=True)
