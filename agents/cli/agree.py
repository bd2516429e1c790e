"""`leadkeeper model agree`: batch and stream, side by side."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.common import FAILED, USAGE, fail, fail_for, load, out, there, wait
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from agents.agreement import Agreement


def agree(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[LOG...]", help="files of a log", dir_okay=False, callback=there)
    ] = None,
    mapping: Annotated[str, typer.Option(help="a .toml file, or the name of one in deploy/mappings")] = "",
    from_kafka: Annotated[
        bool, typer.Option("--from-kafka", help="a running system: its lead.state against its lead.events")
    ] = False,
    model: Annotated[
        str, typer.Option(help="version; left out: the rule scorer, with --from-kafka what is in force")
    ] = "",
    models: Annotated[Path | None, typer.Option(help="folder of models (LEADKEEPER_MODELS)")] = None,
    at: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="by what was known then; left out: by all")
    ] = None,
) -> None:
    """Fold a log as live and read it as in training: do features and probabilities agree? Exit codes: 0 yes, 1 no.

    With --from-kafka the workers have folded it already: each lead's state is held against what the inbox says of it.
    """
    from agents.agreement import TOLERANCE, agreement
    from agents.agreement_live import live_agreement
    from agents.eventlog import LoggedEvent, read_events
    from agents.in_force import in_force
    from agents.mapping import load_mapping
    from agents.model import load as load_model
    from agents.policyfile.read import load_policy
    from streams.risk import RuleScorer, Scorer

    settings = load(LeadSettings, models=models)
    if from_kafka == bool(files) or bool(files) != bool(mapping):
        fail(USAGE, "give files and --mapping, or --from-kafka")
    if from_kafka:
        from agents.cli.promotion import registry_if_any, scorer_of

        try:
            with out.status("reading the topics ..."):
                judge = scorer_of(settings, model or registry_if_any(settings).in_force or "")
                held = wait(live_agreement(settings, wait(in_force(settings)).policies, judge))
        except LeadkeeperError as error:
            fail_for(error)
        _tell(held, judge.version, TOLERANCE)
        return
    try:
        layout = load_mapping(mapping)
        policy = layout.policy_with(load_policy(settings.policy))
        scorer: Scorer = load_model(settings.models / model) if model else RuleScorer()
        with out.status("reading and folding ..."):
            events = [event for event in read_events(files or [], layout) if isinstance(event, LoggedEvent)]
            end = (max((event.known_ms for event in events), default=-1) + 1) / 1000
            found = agreement(events, policy, scorer, at.replace(tzinfo=UTC).timestamp() if at else end)
    except LeadkeeperError as error:
        fail_for(error)
    _tell(found, scorer.version, TOLERANCE)


def _tell(found: "Agreement", version: str, tolerance: float) -> None:
    out.print(f"{found.leads:,} leads compared, {found.gone:,} forgotten or older than the log")
    out.print(f"scored by {version}")
    out.print(f"largest difference of a feature ({found.feature}): {found.feature_apart:.2e}")
    out.print(f"largest difference of a probability: {found.score_apart:.2e}")
    out.print(f"{'agree' if found.agree else 'DO NOT AGREE'} to {tolerance:g}")
    if not found.agree:
        raise typer.Exit(FAILED)
