"""`leadkeeper policy …`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.common import CONFIG, UNAVAILABLE, fail, load, out, wait
from agents.settings import LeadSettings, Settings
from schemas.errors import LeadkeeperError, Unavailable

if TYPE_CHECKING:
    from schemas.policies import PolicyPublished

app = typer.Typer(no_args_is_help=True, help="Policies: check, activate, watch, act.")

At = Annotated[datetime | None, typer.Option(help="where the log carries its own time: from which moment on (UTC)")]


@app.command(epilog="Example: leadkeeper policy check deploy/policies/real_estate.toml")
def check(file: Annotated[Path, typer.Argument(help="a policy file", exists=True, dir_okay=False)]) -> None:
    """Read a policy and say what it asks for. Ends with 78 when a key is unknown or a value impossible."""
    from agents.library import load_policy
    from streams.stage import ORDER

    try:
        policy = load_policy(file)
    except LeadkeeperError as error:
        fail(CONFIG, str(error))
    out.print(f"{policy.name}, version {policy.version}: valid")
    for stage, threshold in zip(ORDER[1:], policy.stages.enter, strict=True):
        steps = ", ".join(f"{s.name} by {s.channel}" for s in policy.playbooks.of(stage).steps)
        out.print(f"  {stage} from {threshold:g}: {steps or 'no steps'}")
    caps, quiet = policy.caps, policy.quiet_hours
    out.print(
        f"  at most {caps.max_per_day} a day and {caps.max_per_week} a week; quiet {quiet.start} to {quiet.end}; "
        f"holdout {policy.holdout.share:.0%}"
    )


@app.command(name="activate", epilog="Example: leadkeeper policy activate deploy/policies/real_estate_v2.toml")
def activate_command(
    file: Annotated[
        Path,
        typer.Argument(help="its version must be new", exists=True, dir_okay=False),
    ],
    at: At = None,
) -> None:
    """Put a new version in force without a restart."""
    from agents.library import load_policy
    from schemas.policies import PolicyPublished

    settings = load(LeadSettings)
    try:
        policy = load_policy(file)
    except LeadkeeperError as error:
        fail(CONFIG, str(error))
    now = _moment(at)
    announce = PolicyPublished(
        id=f"policy-{policy.name}-{policy.version}",
        tenant="*",
        at=now,
        version=policy.version,
        policy=policy.model_dump(mode="json"),
    )
    _tell(settings, "policy", policy.version, now, announce)


@app.command(epilog="Example: leadkeeper policy watch")
def watch(at: At = None) -> None:
    """Stop acting: leads are assessed on, but no episode opens and nothing is sent."""
    _tell(load(Settings), "acting", False, _moment(at))


@app.command(epilog="Example: leadkeeper policy act")
def act(at: At = None) -> None:
    """Act again. Leads that were at risk before are not messaged for that alone; the next rise counts."""
    _tell(load(Settings), "acting", True, _moment(at))


def _tell(
    settings: Settings, what: str, value: object, at: datetime, announce: "PolicyPublished | None" = None
) -> None:
    from agents.activate import activate

    order: dict[str, Any] = {what: value}
    announced = [announce] if announce else []
    try:
        n = wait(activate(settings.bootstrap, settings.topic_prefix, at, announce=announced, **order))
    except Unavailable as error:
        fail(UNAVAILABLE, str(error))
    out.print(f"told {n} partitions: {what} {value}")


def _moment(at: datetime | None) -> datetime:
    return at.replace(tzinfo=UTC) if at else datetime.now(UTC)
