"""`leadkeeper model agree`: batch and stream, side by side."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from agents.cli.common import FAILED, fail_for, load, out
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError


def agree(
    files: Annotated[list[Path], typer.Argument(metavar="LOG...", help="files of a log", exists=True, dir_okay=False)],
    mapping: Annotated[str, typer.Option(help="a .toml file, or the name of one in deploy/mappings")],
    model: Annotated[str, typer.Option(help="version; left out: the rule scorer")] = "",
    models: Annotated[Path | None, typer.Option(help="folder of models (LEADKEEPER_MODELS)")] = None,
    at: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="left out: after the last event")] = None,
) -> None:
    """Fold a log as live and read it as in training: do features and probabilities agree? Exit codes: 0 yes, 1 no."""
    from agents.agreement import TOLERANCE, agreement
    from agents.eventlog import LoggedEvent, read_events
    from agents.mapping import load_mapping
    from agents.model import load as load_model
    from agents.policyfile.read import load_policy
    from streams.risk import RuleScorer, Scorer

    settings = load(LeadSettings, models=models)
    try:
        layout = load_mapping(mapping)
        policy = layout.policy_with(load_policy(settings.policy))
        scorer: Scorer = load_model(settings.models / model) if model else RuleScorer()
        with out.status("reading and folding ..."):
            events = [event for event in read_events(files, layout) if isinstance(event, LoggedEvent)]
            end = (events[-1].at_ms + 1) / 1000 if events else 0.0
            found = agreement(events, policy, scorer, at.replace(tzinfo=UTC).timestamp() if at else end)
    except LeadkeeperError as error:
        fail_for(error)
    out.print(f"{found.leads:,} leads compared, {found.gone:,} forgotten by the stream, scored by {scorer.version}")
    out.print(f"largest difference of a feature ({found.feature}): {found.feature_apart:.2e}")
    out.print(f"largest difference of a probability: {found.score_apart:.2e}")
    out.print(f"{'agree' if found.agree else 'DO NOT AGREE'} to {TOLERANCE:g}")
    if not found.agree:
        raise typer.Exit(FAILED)
