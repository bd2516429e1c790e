"""`leadkeeper model compare | retrain`: whether a new model is better, and putting it in force only if it is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli import promotion
from agents.cli.common import FAILED, NOT_FOUND, USAGE, err, fail, fail_for, load, out, there, wait
from agents.settings import LeadSettings, ModelSettings
from schemas import topics
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from agents.compare import Compared
    from agents.snapshots import ActivityLog
    from streams.labels import Label
    from streams.policy import Policy
    from streams.risk import Scorer

Models = promotion.Models
Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[LOG...]",
        help="CSV, text, JSON lines or Parquet; .gz as well. None: what lead.events holds",
        dir_okay=False,
        callback=there,
    ),
]
Mapping = Annotated[
    str | None,
    typer.Option(
        help="how to read the files: a .toml file, or the name of one in deploy/mappings. Of lead.events only its \\[label] "
        "and \\[vocabulary] count"
    ),
]
Champion = Annotated[str | None, typer.Option(help="version to hold it against; default: the one in force")]
Moves = Annotated[
    bool, typer.Option("--volumes-may-move", help="do not mind that a stage grows or shrinks by over a quarter")
]


def compare(
    challenger: Annotated[str, typer.Argument(help="a version in the folder of models")],
    files: Files = None,
    mapping: Mapping = None,
    champion: Champion = None,
    models: Models = None,
    volumes_may_move: Moves = False,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="by what it said in shadow, live, beside what was told; reads no log")
    ] = False,
) -> None:
    """Hold a model against the one in force, on what happened after both were trained. Ends with 1 if it is not better."""
    settings = load(ModelSettings, models=models)
    if shadow:
        if not _in_shadow(settings, challenger, volumes_may_move).verdict.promote:
            raise typer.Exit(FAILED)
        return
    log, policy, *_ = _read(settings, files, mapping)
    judge = _champion(settings, champion)
    if not _contest(settings, log, policy, challenger, judge, volumes_may_move).verdict.promote:
        raise typer.Exit(FAILED)


def retrain(
    files: Files = None,
    mapping: Mapping = None,
    champion: Champion = None,
    models: Models = None,
    volumes_may_move: Moves = False,
) -> None:
    """Train, compare with the model in force, and put it in force only if it is better; for a nightly job.

    Ends with 0 when it was put in force, with 1 when the old one stays (it says why), with 78 when the log is too small.
    """
    from agents.model import LightGbmScorer
    from agents.train import train

    settings = load(LeadSettings, models=models)
    log, policy, label, name = _read(settings, files, mapping)
    judge = _champion(settings, champion)
    if not mapping and isinstance(judge, LightGbmScorer):
        label = judge.manifest.label  # the same question, so that the answers can be compared
    try:
        with out.status("training ..."):
            model = train(log, label, name=name)
        model.save(settings.models)
    except LeadkeeperError as error:
        fail_for(error)
    version = model.manifest.version
    if version == judge.version:
        out.print(f"the log gives {version} again, which is in force", soft_wrap=True)
        raise typer.Exit(FAILED)
    compared = _contest(settings, log, policy, version, judge, volumes_may_move)
    if not compared.verdict.promote:
        out.print(f"{compared.champion} stays in force", soft_wrap=True)
        raise typer.Exit(FAILED)
    low, mean, high = compared.verdict.difference
    why = f"better than {compared.champion}: log loss {mean:+.4f}, 95 % {low:+.4f} to {high:+.4f}"
    n = promotion.put_in_force(settings, compared.challenger, why)
    out.print(f"{compared.challenger} is activated on {n} partitions", soft_wrap=True)


def _read(
    settings: LeadSettings, files: list[Path] | None, mapping: str | None
) -> "tuple[ActivityLog, Policy, Label, str]":
    """The log, the policy that says what its events mean, the definition of going quiet, and the log's name."""
    from agents.in_force import in_force
    from agents.inbox_log import inbox
    from agents.mapping import load_mapping
    from agents.policyfile.read import load_policy
    from agents.train import read_log
    from streams.env import EVERYONE
    from streams.labels import Label

    if files and not mapping:
        fail(USAGE, "files need --mapping, which says how to read them; without both, lead.events is read")
    try:
        layout = load_mapping(mapping) if mapping else None
        with err.status("reading ..."):
            if files and layout:
                policy = load_policy(settings.policy)
                return read_log(files, layout, policy), policy, layout.label, layout.name
            rules = wait(in_force(settings))
            log = wait(inbox(settings, rules.policy_of, layout.meanings if layout else None))
            return log, rules.policy_of(EVERYONE), layout.label if layout else Label(), topics.EVENTS.name
    except LeadkeeperError as error:
        fail_for(error)


def _contest(
    settings: LeadSettings, log: "ActivityLog", policy: "Policy", challenger: str, champion: "Scorer", moves: bool
) -> "Compared":
    from agents.compare import hold_against

    try:
        with err.status("comparing ..."):
            compared = hold_against(
                champion,
                promotion.read_model(settings, challenger).scorer(),
                log,
                policy.stages.enter,
                volumes_may_move=moves,
            )
    except LeadkeeperError as error:
        fail_for(error)
    out.print(told(compared), markup=False, soft_wrap=True)
    return compared


def _in_shadow(settings: ModelSettings, challenger: str, moves: bool) -> "Compared":
    from agents.compare import hold_in_shadow
    from agents.in_force import in_force
    from agents.nightly import known_models, notes_of, take_notes
    from agents.remembered import Remembered
    from streams.env import EVERYONE

    known = {one.version: one for one in known_models(settings, promotion.registry_if_any(settings))}
    if challenger not in known:
        fail(NOT_FOUND, f"{challenger} is neither in {settings.models} nor published")
    notes = notes_of(settings)
    try:
        rules = wait(in_force(settings))
        # Without notes on this machine, what the topics still hold has to do.
        with Remembered(notes if notes.exists() else None, rules.policy_of) as memory:
            wait(take_notes(memory, settings))
            compared = hold_in_shadow(
                memory, known[challenger], rules.policy_of(EVERYONE).stages.enter, volumes_may_move=moves
            )
    except LeadkeeperError as error:
        fail_for(error)
    out.print(told(compared), markup=False, soft_wrap=True)
    return compared


def _champion(settings: LeadSettings, version: str | None) -> "Scorer":
    return promotion.scorer_of(settings, version or promotion.registry_if_any(settings).in_force or "")


def told(compared: "Compared") -> str:
    """A comparison as text, 80 columns wide."""
    from agents.windows import utc

    v, (first, last) = compared.verdict, utc(compared.times)
    low, mean, high = v.difference
    pace = [f"{'us to score a row':26}{v.pace.champion:12.1f}{v.pace.challenger:12.1f}"] if v.pace else []
    lines = [
        f"{compared.challenger} against {compared.champion}",
        f"{v.rows:,} rows of {v.leads:,} leads, {len(compared.times)} snapshots from {first:%Y-%m-%d} to {last:%Y-%m-%d}",
        "",
        f"{'':26}{'champion':>12}{'challenger':>12}",
        f"{'log loss':26}{v.log_loss.champion:12.4f}{v.log_loss.challenger:12.4f}",
        f"{'  difference':26}{'':12}{mean:+12.4f}  95 %: {low:+.4f} to {high:+.4f}",
        f"{'calibration error':26}{v.ece.champion:12.4f}{v.ece.challenger:12.4f}",
        f"{'average precision':26}{v.average_precision.champion:12.4f}{v.average_precision.challenger:12.4f}",
        *(f"{f'rows from {stage} on':26}{h.champion:12,.0f}{h.challenger:12,.0f}" for stage, h in v.volumes.items()),
        *pace,
        "",
        "better: it may be promoted" if v.promote else "not to be promoted:",
        *(f"  - {why}" for why in v.refusals),
    ]
    return "\n".join(lines)
