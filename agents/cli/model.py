"""`leadkeeper train` and `leadkeeper model …`."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli import contest, promotion
from agents.cli.common import CONFIG, NOT_FOUND, USAGE, err, fail, fail_for, load, out, there, wait
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agents.manifest import Manifest
    from agents.model import LightGbmScorer
    from streams.labels import Label

app = typer.Typer(no_args_is_help=True, help="Trained models: list, show, compare, retrain, promote, roll back.")
app.command(epilog="Example: leadkeeper model publish m-19980101-8b8bb6db21")(promotion.publish)
app.command(epilog="Example: leadkeeper model promote m-19980101-8b8bb6db21")(promotion.promote)
app.command(epilog="Example: leadkeeper model rollback")(promotion.rollback)
app.command(epilog="Example: leadkeeper model compare m-19980101-8b8bb6db21 log.csv.gz --mapping my.toml")(
    contest.compare
)
app.command(epilog="Example: leadkeeper model retrain log.csv.gz --mapping my.toml || echo the old one stays")(
    contest.retrain
)

KINDS = 8
"""Kinds without a meaning that are named."""
Models = Annotated[Path | None, typer.Option(help="folder of models (LEADKEEPER_MODELS)")]


def train_command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[LOG...]", help="CSV, text, JSON lines or Parquet; .gz as well", dir_okay=False, callback=there
        ),
    ] = None,
    mapping: Annotated[
        str, typer.Option(help="a .toml file, or the name of one in deploy/mappings: cdnow, bank_leads, retail")
    ] = "",
    models: Models = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="use nothing from this day on for training; test there"),
    ] = None,
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="a table with one row for each customer; see agents/table_mapping.py")
    ] = False,
    from_kafka: Annotated[
        bool,
        typer.Option("--from-kafka", help="from lead.events; of a mapping only \\[label] and \\[vocabulary] count"),
    ] = False,
) -> None:
    """Train a risk model from an event log, by the same fold that judges live, and print its card.

    Windows follow each other in time: train, calibrate, test, with an embargo between them. Says what is missing where the
    log is too small; the rule scorer then judges instead.
    """
    from agents.cli.progress import progress_bar
    from agents.cli.rejected import tell_rejects
    from agents.cli.tables import train_from_table
    from agents.eventlog import ReadReport
    from agents.in_force import in_force
    from agents.inbox_log import inbox
    from agents.mapping import load_mapping
    from agents.model_card import card
    from agents.policyfile.read import load_policy
    from agents.rejects import Rejects
    from agents.train import read_log, train
    from agents.tryout.runs import RunFolder
    from schemas import topics
    from streams.labels import Label

    settings = load(LeadSettings, models=models)
    if from_kafka == bool(files) or (files and not mapping):
        fail(USAGE, "give files and --mapping, or --from-kafka")
    if snapshot:
        train_from_table(files or [], mapping, settings.models)
        return
    began, report = time.monotonic(), ReadReport()
    try:
        layout = load_mapping(mapping) if mapping else None
        if from_kafka:
            with out.status("reading lead.events ..."):
                log = wait(inbox(settings, wait(in_force(settings)).policy_of, layout.meanings if layout else None))
        else:
            assert layout is not None
            with Rejects(RunFolder(f"train-{layout.name}").make) as rejects:
                try:
                    with out.status("reading ..."):
                        log = read_log(files or [], layout, load_policy(settings.policy), report, rejects)
                finally:
                    tell_rejects(err, rejects, dead_lettered=False)
        if told_of := untold_in_words(log.untold):
            err.print(told_of, style="yellow", markup=False, soft_wrap=True)
        label, name = (layout.label, layout.name) if layout else (Label(), topics.EVENTS.name)
        cut = until.replace(tzinfo=UTC).timestamp() if until else None
        with progress_bar(err) as told:
            model = train(log, label, cut, name, told)
        folder = model.save(settings.models)
    except LeadkeeperError as error:
        fail_for(error)
    out.print(card(model.manifest), markup=False)
    _tell_settled(label, model.manifest.label)
    out.print(
        f"saved to {folder} in {time.monotonic() - began:.0f} s; put it in force: leadkeeper model promote {model.manifest.version}",
        soft_wrap=True,
    )


def untold_in_words(untold: "Mapping[str, int]") -> str:
    """Which custom kinds no vocabulary describes, the most frequent first; empty where all are described."""
    if not untold:
        return ""
    named = sorted(untold, key=lambda kind: (-untold[kind], kind))
    few = ", ".join(f"{kind} {untold[kind]:,}" for kind in named[:KINDS])
    more = f" and {len(named) - KINDS} more" if len(named) > KINDS else ""
    return (
        f"{sum(untold.values()):,} events are of kinds that no vocabulary describes, and count as no sign of life: {few}{more}. "
        f"Describe each under [vocabulary.{named[0]}] of the policy, or of the mapping"
    )


def _tell_settled(given: "Label", label: "Label") -> None:
    """What the log's own gaps have settled."""
    if "horizon_days" not in given.model_fields_set:
        out.print(
            f"No horizon was given: {label.horizon_days:g} days, which 95 % of the gaps between signs of life stay under.",
            soft_wrap=True,
        )
    if "eligible_days" not in given.model_fields_set and label.eligible_days is not None:
        out.print(
            f"Only live leads are judged: a sign of life in the last {label.eligible_days:g} days, which 95 % of the gaps stay "
            "under (the label's eligible_days says otherwise).",
            soft_wrap=True,
        )


@app.command(name="list", epilog="Example: leadkeeper model list")
def list_(models: Models = None) -> None:
    """Models in the folder, those that only the broker has, and models of tables; which is in force, where a broker answers."""
    from agents.manifest import Manifest
    from agents.tables import table_models

    settings = load(LeadSettings, models=models)
    found = {p.parent.name: _load(settings, p.parent.name).manifest for p in _manifests(settings)}
    registry = promotion.registry_if_any(settings)
    for version, record in registry.published.items():
        found.setdefault(version, Manifest.model_validate(record.manifest))
    try:
        tables = [model.card for model in table_models(settings.models)]
    except LeadkeeperError as error:
        fail(CONFIG, str(error))
    if not found and not tables:
        out.print(f"no models in {settings.models}; `leadkeeper train` makes one")
    for version, manifest in found.items():
        tested = manifest.tested
        worth = f"AUC {tested.model['auc']:.3f}, log loss {tested.model['log_loss']:.3f}" if tested else "not tested"
        where = "in force  " if version == registry.in_force else "published  " if version in registry.published else ""
        for tenant, one in registry.rolling.items():
            if one.version == version:
                where += f"{one.share:.1%} of {'the leads' if tenant == '*' else tenant}  "
        out.print(f"{version}  {where}{worth}", soft_wrap=True)
    for card in tables:
        flagged = "  flagged: scores nothing" if card.flags else ""
        worth = f"AUC {card.model['auc']:.3f}, log loss {card.model['log_loss']:.3f}"
        out.print(f"{card.version}  of a table  {worth}{flagged}", soft_wrap=True)


@app.command(epilog="Example: leadkeeper model show m-19980101-8b8bb6db21 --html card.html")
def show(
    version: Annotated[str | None, typer.Argument(help="default: the newest in the folder; t-…: of a table")] = None,
    models: Models = None,
    as_json: Annotated[bool, typer.Option("--json", help="the whole manifest, as JSON")] = False,
    html: Annotated[Path | None, typer.Option(help="write a page with plots to this file", dir_okay=False)] = None,
) -> None:
    """The model card: what it was made from and what it is worth, beside recency alone."""
    from agents.model_card import card

    settings = load(LeadSettings, models=models)
    if version is not None and version.startswith("t-"):
        _show_table(settings, version, html, as_json=as_json)
        return
    found = _manifests(settings)
    if version is None and not found:
        fail(NOT_FOUND, f"no models in {settings.models}; `leadkeeper train` makes one")
    manifest = _manifest(settings, version or newest(found))
    if html is not None:
        from agents.model_page import page

        html.write_text(page(manifest), encoding="utf-8")
        out.print(f"written to {html}", soft_wrap=True)
    elif as_json:
        out.print_json(manifest.model_dump_json())
    else:
        out.print(card(manifest), markup=False)


def newest(manifests: "Sequence[Path]") -> str:
    """The version with the newest labels, which its name says; among those of one day, the one that was saved last."""
    return max((p.parent.name.rpartition("-")[0], p.stat().st_mtime, p.parent.name) for p in manifests)[-1]


def _show_table(settings: LeadSettings, version: str, html: Path | None, *, as_json: bool) -> None:
    """The same of a model of a table."""
    from agents.table_card import card, page
    from agents.tables import FOLDER_OF_TABLES, load_table_model

    try:
        told = load_table_model(settings.models / FOLDER_OF_TABLES / version).card
    except LeadkeeperError as error:
        fail(CONFIG, str(error))
    if html is not None:
        html.write_text(page(told), encoding="utf-8")
        out.print(f"written to {html}", soft_wrap=True)
    elif as_json:
        out.print_json(told.model_dump_json())
    else:
        out.print(card(told), markup=False)


def _manifest(settings: LeadSettings, version: str) -> "Manifest":
    """Of the folder, else as it was published."""
    from agents.manifest import Manifest

    if not (settings.models / version).is_dir():
        record = promotion.registry_if_any(settings).published.get(version)
        if record is not None:
            return Manifest.model_validate(record.manifest)
    return _load(settings, version).manifest


def _manifests(settings: LeadSettings) -> list[Path]:
    return sorted(settings.models.glob("*/manifest.json"))


def _load(settings: LeadSettings, version: str) -> "LightGbmScorer":
    from agents.model import load as load_model

    try:
        return load_model(settings.models / version)
    except LeadkeeperError as error:
        fail(CONFIG, str(error))
