"""`leadkeeper policy …`."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.common import (
    CONFIG,
    FAILED,
    NOT_FOUND,
    UNAVAILABLE,
    USAGE,
    At,
    Share,
    Tenant,
    err,
    fail,
    fail_for,
    load,
    out,
    there,
    wait,
)
from agents.cli.versions import say_left_behind, unannounced_of
from agents.settings import ROOT, LeadSettings, Settings
from schemas.errors import LeadkeeperError, Unavailable

if TYPE_CHECKING:
    from agents.policyfile.read import Problem
    from schemas.policies import PolicyPublished
    from streams.policy import Policy

app = typer.Typer(no_args_is_help=True, help="Policies: check, show, compare, try on stories, publish, activate.")

File = Annotated[Path, typer.Argument(help="a policy file", dir_okay=False, callback=there)]
TEMPLATES = ROOT / "deploy/templates"
STORIES = ROOT / "deploy/policies/stories"


@app.command(epilog="Example: leadkeeper policy check deploy/policies/real_estate.toml")
def check(
    file: File, templates: Annotated[Path, typer.Option(help="folder with the message texts")] = TEMPLATES
) -> None:
    """Look for everything wrong with a policy; each with its line and remedy. Ends with 78 when there is anything."""
    policy = _checked(file, templates)
    out.print(f"{policy.name}, version {policy.version}: valid")


@app.command(epilog="Example: leadkeeper policy show deploy/policies/real_estate.toml")
def show(
    file: File, every: Annotated[bool, typer.Option("--all", help="every key with its value, defaults too")] = False
) -> None:
    """Say what a policy asks for."""
    from agents.policyfile.tell import in_short, keys_of

    policy = _read(file)
    out.print(f"[bold]{policy.name}[/], version {policy.version}")
    lines = (f"{key} = {value}" for key, value in keys_of(policy).items()) if every else in_short(policy)
    for line in lines:
        out.print(f"  {line}", markup=False, soft_wrap=True)


@app.command(epilog="Example: leadkeeper policy diff deploy/policies/real_estate.toml new.toml")
def diff(
    old: Annotated[Path, typer.Argument(help="a policy file", dir_okay=False, callback=there)],
    new: Annotated[Path, typer.Argument(help="another one", dir_okay=False, callback=there)],
) -> None:
    """Say which keys differ, defaults included. Ends with 1 when any does."""
    from agents.policyfile.tell import differences

    found = differences(_read(old), _read(new))
    for key, before, after in found:
        out.print(f"{key}: {_said(before)} -> {_said(after)}", markup=False, soft_wrap=True)
    if found:
        raise typer.Exit(FAILED)
    out.print("no key differs")


@app.command(name="test", epilog="Example: leadkeeper policy test deploy/policies/real_estate.toml")
def try_command(
    file: File,
    stories: Annotated[
        list[Path] | None,
        typer.Option(
            help="a file with stories; left out: <policy name>.toml in deploy/policies/stories", callback=there
        ),
    ] = None,
) -> None:
    """Play the stories of a policy: given these events at these times, expect these decisions. Ends with 1 if one fails."""
    from agents.policyfile.trial import try_stories

    policy = _read(file)
    files = stories or [STORIES / f"{policy.name}.toml"]
    if missing := [path for path in files if not path.is_file()]:
        fail(NOT_FOUND, f"no stories at {missing[0]}; write some there, or name a file with --stories")
    failed = 0
    try:
        for trial in try_stories(file, files):
            failed += not trial.held
            out.print(f"[{'green' if trial.held else 'red'}]{'holds' if trial.held else 'FAILS'}[/]  ", end="")
            out.print(trial.title, markup=False, soft_wrap=True)
            for line in trial.differences:
                out.print(f"    {line}", markup=False, soft_wrap=True)
    except LeadkeeperError as error:
        fail(CONFIG, str(error))
    if failed:
        fail(
            FAILED,
            f"{failed} stories do not hold under {file.name}: correct the policy, or the story (- expected, + told)",
        )


@app.command(epilog="Example: leadkeeper policy publish deploy/policies/real_estate.toml --tenant acme")
def publish(
    file: File,
    tenant: Annotated[str, typer.Option(help="whose it is; *: of every tenant without one of its own")] = "*",
    templates: Annotated[Path, typer.Option(help="folder with the message texts")] = TEMPLATES,
) -> None:
    """Put a policy that passes its check on the topic of versions. `activate` puts it in force.

    A version is for good: other content under a known one is refused. A tenant's own policy belongs to the version of the same
    number: publish it before that of everyone is published or activated.
    """
    from pydantic import ValidationError

    from agents.policyfile import publish as topic
    from agents.policyfile.known import whose

    policy, settings = _checked(file, templates), load(LeadSettings)
    try:
        message = topic.announcement(policy, tenant, datetime.now(UTC))
    except ValidationError as error:
        fail(USAGE, f"--tenant {tenant}: {error.errors()[0]['msg']}; write * or a tenant's id")
    told = f"{policy.name}, version {policy.version}, for {whose(tenant)}"
    if not unannounced_of(settings, policy, tenant):
        out.print(f"{told}: there already, with this content", soft_wrap=True)
        return
    try:
        wait(topic.publish(settings.bootstrap, settings.topic_prefix, message))
    except Unavailable as error:
        fail(UNAVAILABLE, str(error))
    out.print(f"published {told}")


@app.command(name="activate", epilog="Example: leadkeeper policy activate deploy/policies/real_estate_v2.toml")
def activate_command(
    file: Annotated[
        Path,
        typer.Argument(help="a policy file: its version is new, or known with this very content", dir_okay=False),
    ],
    at: At = None,
    share: Share = None,
    tenant: Tenant = "*",
) -> None:
    """Put a new version in force without a restart.

    With a share it judges only so many leads, always the same ones, and the policy in force the others; `rollback` takes it
    back. A greater share later takes more in and lets none go; without a share it then judges all, also those of tenants that
    another version was rolled out to.
    """
    from agents.policyfile.publish import announcement

    settings = load(LeadSettings)
    if tenant != "*" and share is None:
        fail(USAGE, "--tenant needs --share; 1 is all of its leads")
    if not file.exists():
        fail(
            NOT_FOUND,
            f"there is no file {file}; a version that was published comes back with `leadkeeper policy restore {file}`",
        )
    policy = _checked(file, TEMPLATES)
    now = _moment(at)
    announce = [announcement(policy, whose, now) for whose in unannounced_of(settings, policy, tenant, "*")]
    _tell(settings, now, announce, policy=policy.version, share=share, tenant=tenant)
    if share is None:
        say_left_behind(settings, policy.version)


@app.command(epilog="Example: leadkeeper policy rollback 2")
def rollback(
    version: Annotated[str, typer.Argument(help="what judges only a share of the leads")],
    at: At = None,
    tenant: Tenant = "*",
) -> None:
    """Take a policy back from the share of leads that it judges: the policy in force judges them again."""
    _tell(load(Settings), _moment(at), policy=version, share=0.0, tenant=tenant)


@app.command(name="list", epilog="Example: leadkeeper policy list")
def list_command() -> None:
    """Say which versions are published, for whom, and which is in force."""
    from agents.in_force import in_force, published
    from agents.policyfile.known import whose

    settings = load(LeadSettings)
    try:
        now, known = wait(in_force(settings)), wait(published(settings))
    except LeadkeeperError as error:
        fail_for(error)
    versions = {one.version: one.at for one in known}
    if now.policy_version not in versions:
        out.print(f"{now.policy_version}  in force, from the file that workers start with", soft_wrap=True)
    for version, at in versions.items():
        tenants = ", ".join(whose(one.tenant) for one in known if one.version == version)
        told = "  in force" if version == now.policy_version else ""
        out.print(f"{version}  published {at:%Y-%m-%d %H:%M} for {tenants}{told}", markup=False, soft_wrap=True)


@app.command(epilog="Example: leadkeeper policy restore 1")
def restore(
    version: Annotated[str, typer.Argument(help="an earlier one; `leadkeeper policy list` has them")], at: At = None
) -> None:
    """Put a version that was in force before in force again, for all leads: the way back from `activate`.

    Episodes that run go on with the steps planned for them; what the version does not have is held, and a decision says so.
    """
    from agents.in_force import published
    from agents.library import policies_of
    from agents.policyfile.publish import announcement

    if Path(version).is_file():
        fail(USAGE, f"{version} is a file: `leadkeeper policy activate {version}` puts it in force")
    settings = load(LeadSettings)
    try:
        known, first = (
            {one.version for one in wait(published(settings)) if one.tenant == "*"},
            policies_of(settings)["*"],
        )
    except LeadkeeperError as error:
        fail_for(error)
    if version not in {*known, first.version}:
        fail(NOT_FOUND, f"no version {version} was published; there are {', '.join(sorted({*known, first.version}))}")
    now = _moment(at)
    announce = [] if version in known else [announcement(first, "*", now)]
    _tell(settings, now, announce, policy=version)
    say_left_behind(settings, version)


@app.command(epilog="Example: leadkeeper policy watch")
def watch(at: At = None) -> None:
    """Stop acting: leads are assessed on, but no episode opens and nothing is sent."""
    _tell(load(Settings), _moment(at), acting=False)


@app.command(epilog="Example: leadkeeper policy act")
def act(at: At = None) -> None:
    """Act again. Leads that were at risk before are not messaged for that alone; the next rise counts."""
    _tell(load(Settings), _moment(at), acting=True)


def _read(file: Path) -> "Policy":
    """The policy, where it can be read; else ends with 78."""
    from agents.policyfile.read import read_policy

    return _without_problems(file, read_policy)


def _checked(file: Path, templates: Path) -> "Policy":
    """The policy, where nothing is wrong with it; else says all of it and ends with 78."""
    from agents.policyfile.check import check_policy

    return _without_problems(file, lambda path: check_policy(path, templates))


def _without_problems(file: Path, read: "Callable[[Path], tuple[Policy | None, list[Problem]]]") -> "Policy":
    from agents.policyfile.read import in_words

    try:
        policy, problems = read(file)
    except LeadkeeperError as error:
        fail_for(error)
    for problem in problems:
        err.print(in_words(file, problem), markup=False, soft_wrap=True)
    if policy is None or problems:
        fail(CONFIG, f"{file.name}: {len(problems)} {'thing is' if len(problems) == 1 else 'things are'} wrong")
    return policy


def _said(value: object) -> str:
    return "(not there)" if value is None else str(value)


def _tell(settings: Settings, at: datetime, announce: "Sequence[PolicyPublished]" = (), **order: Any) -> None:
    from agents.activate import Order, activate

    try:
        n = wait(activate(settings.bootstrap, settings.topic_prefix, at, Order(**order), announce=announce))
    except Unavailable as error:
        fail(UNAVAILABLE, str(error))
    said = {name: value for name, value in order.items() if value is not None and (name, value) != ("tenant", "*")}
    out.print(f"told {n} partitions: {', '.join(f'{name} {value}' for name, value in said.items())}")


def _moment(at: datetime | None) -> datetime:
    return at.replace(tzinfo=UTC) if at else datetime.now(UTC)
