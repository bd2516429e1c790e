"""`leadkeeper model grade`: how told risks turned out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.common import FAILED, NOT_FOUND, fail, fail_for, load, out, wait
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from streams.grade import Grade


def grade(
    models: Annotated[Path | None, typer.Option(help="folder of models (LEADKEEPER_MODELS)")] = None,
    to: Annotated[Path | None, typer.Option(help="also write the report there, as JSON")] = None,
) -> None:
    """Hold assessments whose horizon has passed against what then happened, from the topics; a verdict for each version.

    Exit codes: 0 keep, or too early to say; 1 a version should not stay: go back to the one before it.
    """
    from agents.grading import Version, grades
    from agents.inbox_log import received
    from agents.library import load_policy
    from agents.model import load as load_model
    from schemas import topics

    settings = load(LeadSettings, models=models)

    try:
        manifests = [load_model(p.parent).manifest for p in sorted(settings.models.glob("*/manifest.json"))]
        policy = load_policy(settings.policy)
        with out.status("reading the topics ..."):
            events = wait(received(settings, topics.EVENTS))
            told = wait(received(settings, topics.ASSESSMENTS))
    except LeadkeeperError as error:
        fail_for(error)
    versions = {m.version: Version(m.label.at_any_age, m.base_rate) for m in manifests}
    found = grades(events, (one.value for one in told), versions, policy)
    if not found:
        fail(NOT_FOUND, f"no assessment by a model of {settings.models}; it has {', '.join(versions) or 'none'}")
    for version, graded in found.items():
        _show(version, graded)
    if to:
        report = {v: g._asdict() | {"warned": g.warned._asdict() if g.warned else None} for v, g in found.items()}
        to.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if any(graded.verdict == "fall back" for graded in found.values()):
        raise typer.Exit(FAILED)


def _show(version: str, graded: "Grade") -> None:
    from streams.stage import ORDER

    out.print(f"{version}: [bold]{graded.verdict}[/]. {graded.why}", soft_wrap=True)
    out.print(f"  {graded.rows:,} judgements at {graded.looks} times, {graded.quiet:,} went quiet")
    if not graded.measures:
        return
    m = graded.measures
    out.print(
        f"  AUC {m['auc']:.3f}, log loss {m['log_loss']:.3f}, calibration error {m['ece']:.3f} "
        f"({m['ece_by_chance']:.3f} by chance), lift {m['lift_at_10']:.2f}"
    )
    out.print(f"  {'stage':16}{'rows':>9}{'told':>9}{'seen':>9}{'false alarms':>15}")
    for one in graded.stages:
        alarms = f"{one.false_alarms:15.1%}" if one.stage else ""
        out.print(f"  {ORDER[one.stage]:16}{one.rows:9,}{one.told:9.1%}{one.seen:9.1%}{alarms}")
    if graded.warned and graded.warned.median_days is not None:
        out.print(f"  half of the warnings came {graded.warned.median_days:.0f} days or more before the loss")
