"""`leadkeeper train` and `leadkeeper model …`."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.common import CONFIG, NOT_FOUND, UNAVAILABLE, err, fail, fail_for, load, out, wait
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError, Unavailable

if TYPE_CHECKING:
    from agents.model import LightGbmScorer

app = typer.Typer(no_args_is_help=True, help="Trained models: list, show, promote.")

Models = Annotated[Path | None, typer.Option(help="folder of models (LEADKEEPER_MODELS)")]


def train_command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="LOG...", help="CSV, text, JSON lines or Parquet; .gz as well", exists=True, dir_okay=False
        ),
    ],
    mapping: Annotated[
        str, typer.Option(help="a .toml file, or the name of one in deploy/mappings: cdnow, bank_leads, retail")
    ],
    models: Models = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="use nothing from this day on for training; test there"),
    ] = None,
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="a table with one row for each customer; see agents/table_mapping.py")
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
    from agents.library import load_policy
    from agents.mapping import load_mapping
    from agents.model_card import card
    from agents.rejects import Rejects
    from agents.train import read_log, train
    from agents.tryout.runs import RunFolder

    settings = load(LeadSettings, models=models)
    if snapshot:
        train_from_table(files, mapping, settings.models)
        return
    began, report = time.monotonic(), ReadReport()
    try:
        layout, policy = load_mapping(mapping), load_policy(settings.policy)
        with Rejects(RunFolder(f"train-{layout.name}").make) as rejects:
            try:
                with out.status("reading ..."):
                    log = read_log(files, layout, policy, report, rejects)
            finally:
                tell_rejects(err, rejects, dead_lettered=False)
        cut = until.replace(tzinfo=UTC).timestamp() if until else None
        with progress_bar(err) as told:
            model = train(log, layout.label, cut, layout.name, told)
        folder = model.save(settings.models)
    except LeadkeeperError as error:
        fail_for(error)
    out.print(card(model.manifest), markup=False)
    if "horizon_days" not in layout.label.model_fields_set:
        out.print(
            f"The mapping gives no horizon: {model.manifest.label.horizon_days:g} days, which 95 % of the gaps between signs "
            "of life stay under.",
            soft_wrap=True,
        )
    out.print(
        f"saved to {folder} in {time.monotonic() - began:.0f} s; put it in force: leadkeeper model promote {model.manifest.version}",
        soft_wrap=True,
    )


@app.command(name="list", epilog="Example: leadkeeper model list")
def list_(models: Models = None) -> None:
    """Models in the folder, oldest first."""
    settings = load(LeadSettings, models=models)
    found = sorted(p.parent.name for p in settings.models.glob("*/manifest.json"))
    if not found:
        out.print(f"no models in {settings.models}; `leadkeeper train` makes one")
    for version in found:
        tested = _load(settings, version).manifest.tested
        worth = f"AUC {tested.model['auc']:.3f}, log loss {tested.model['log_loss']:.3f}" if tested else "not tested"
        out.print(f"{version}  {worth}")


@app.command(epilog="Example: leadkeeper model show m-19980101-8b8bb6db21")
def show(
    version: Annotated[str | None, typer.Argument(help="default: the newest")] = None, models: Models = None
) -> None:
    """The model card: what it was made from and what it is worth, beside recency alone."""
    settings = load(LeadSettings, models=models)
    found = sorted(p.parent.name for p in settings.models.glob("*/manifest.json"))
    from agents.model_card import card

    if not found:
        fail(NOT_FOUND, f"no models in {settings.models}; `leadkeeper train` makes one")
    out.print(card(_load(settings, version or found[-1]).manifest), markup=False)


@app.command(epilog="Example: leadkeeper model promote m-19980101-8b8bb6db21")
def promote(
    version: Annotated[str, typer.Argument(help="a folder under LEADKEEPER_MODELS; the workers need it there, too")],
    models: Models = None,
    at: Annotated[
        datetime | None, typer.Option(help="where the log carries its own time: from which moment on")
    ] = None,
) -> None:
    """Check a model and put it in force, without a restart: announced on policies, activated in every inbox partition."""
    from agents.activate import activate
    from schemas.policies import ModelPromoted

    settings = load(LeadSettings, models=models)
    manifest = _load(settings, version).manifest
    when = at.replace(tzinfo=UTC) if at else datetime.now(UTC)
    announce = ModelPromoted(
        id=f"model-{version}",
        tenant="*",
        at=when,
        version=version,
        sha256=manifest.sha256,
        feature_schema=manifest.feature_schema,
    )
    try:
        n = wait(activate(settings.bootstrap, settings.topic_prefix, when, announce=announce, model=version))
    except Unavailable as error:
        fail(UNAVAILABLE, str(error))
    out.print(f"{version} is activated on {n} partitions; each takes it up at its next record")


def _load(settings: LeadSettings, version: str) -> "LightGbmScorer":
    from agents.model import load as load_model

    try:
        return load_model(settings.models / version)
    except LeadkeeperError as error:
        fail(CONFIG, str(error))
