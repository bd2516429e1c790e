"""`leadkeeper model publish | promote | rollback`: which model judges."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.common import CONFIG, FAILED, NOT_FOUND, USAGE, At, Share, Tenant, fail, fail_for, load, out, wait
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError, Unavailable
from schemas.policies import ModelPromoted, Published

if TYPE_CHECKING:
    from agents.model import TrainedModel
    from agents.registry import Registry
    from streams.risk import Scorer

HEAD_START_S = 2.0
"""Between announcement and order: a worker needs about 0.1 s to read, check and load a model."""
EVERYONE = "*"

Version = Annotated[str, typer.Argument(help="in the folder of models, or published before; or rule-2")]
Models = Annotated[Path | None, typer.Option(help="folder of models (LEADKEEPER_MODELS)")]


def publish(version: Version, models: Models = None) -> None:
    """Check a model and announce it, whole: workers on any machine load it, but it judges nothing until it is promoted."""
    settings = load(LeadSettings, models=models)
    put(settings, [_packed(settings, version, datetime.now(UTC))])
    out.print(f"{version} is published; put it in force: leadkeeper model promote {version}")


def promote(
    version: Version,
    models: Models = None,
    at: At = None,
    despite_flags: Annotated[
        bool, typer.Option("--despite-flags", help="although there are signs that it saw the answer in training")
    ] = False,
    share: Share = None,
    tenant: Tenant = EVERYONE,
) -> None:
    """Check a model, publish it, and put it in force in every inbox partition, without a restart.

    With a share it judges only so many leads, always the same ones, and the model in force the others. A greater share later
    takes more in and lets none go; without a share it then judges all.
    """
    settings = load(LeadSettings, models=models)
    if not despite_flags and (flags := _flags(settings, version)):
        fail(FAILED, f"{version} may have seen the answer: {'; '.join(flags)}. Look into it; or say --despite-flags")
    if otherwise := _meant_otherwise(settings, version):
        out.print(f"[yellow]note:[/] {otherwise}", soft_wrap=True)
    if tenant != EVERYONE and share is None:
        fail(USAGE, "--tenant needs --share; 1 is all of its leads")
    why = "promoted" if share is None else f"rolled out to {share:.1%}"
    n = put_in_force(settings, version, why, at, share, tenant)
    whom = "" if share is None else f" for {share:.1%} of {_leads(tenant)}"
    out.print(f"{version} is activated{whom} on {n} partitions; each takes it up at its next record", soft_wrap=True)


def rollback(at: At = None) -> None:
    """Put the model in force again that was before: promoted, or of LEADKEEPER_MODEL; the rule scorer where there was none.

    While a model judges only a share of the leads, that is what is taken back, and the model in force judges all.
    """
    settings = load(LeadSettings)
    registry = _registry(settings)
    if rolling := registry.rolling:
        for version in dict.fromkeys(one.version for one in rolling.values()):
            n = put_in_force(settings, version, "taken back", at, 0.0)
            out.print(f"{version} judges no lead any more on {n} partitions; the model in force does", soft_wrap=True)
        return
    if registry.in_force is None:
        fail(NOT_FOUND, "no model was ever put in force here; nothing to go back from")
    from agents.going_back import at_first

    back = registry.before(at_first(settings))
    if back is None:
        fail(NOT_FOUND, f"nothing judged before {registry.in_force}; `model promote` puts another one in force")
    n = put_in_force(settings, back, f"rolled back from {registry.in_force}", at)
    out.print(f"{back} instead of {registry.in_force} on {n} partitions; each takes it up at its next record")


def put_in_force(
    settings: LeadSettings,
    version: str,
    why: str,
    at: datetime | None = None,
    share: float | None = None,
    tenant: str = EVERYONE,
) -> int:
    """Publish a model unless it is, note the promotion, and order it; returns the number of partitions."""
    now = at.replace(tzinfo=UTC) if at else datetime.now(UTC)
    announce: list[Published] = []
    registry = _registry(settings)
    if version != _rule() and (_in_folder(settings, version) or version not in registry.published):
        announce.append(_packed(settings, version, now))
    # Notes are put in order by their time: of two of one moment the later one has to be seen to be later.
    told = max([now, *(one.at + timedelta(microseconds=1) for one in registry.promotions)])
    note = ModelPromoted(
        id=f"promoted-{version}-{told:%Y%m%dT%H%M%S%f}", tenant=tenant, at=told, version=version, why=why, share=share
    )
    return put(settings, [*announce, note], now, version, share, tenant)


def put(
    settings: LeadSettings,
    announce: list[Published],
    at: datetime | None = None,
    model: str | None = None,
    share: float | None = None,
    tenant: str = EVERYONE,
) -> int:
    """Announce, and order a model if one is given."""
    from agents.activate import Order, activate

    work = activate(
        settings.bootstrap,
        settings.topic_prefix,
        at or datetime.now(UTC),
        Order(model=model, share=share, tenant=tenant),
        announce=announce,
        head_start_s=HEAD_START_S if len(announce) > 1 else 0.0,
    )
    try:
        return wait(work)
    except LeadkeeperError as error:
        fail_for(error)


def _leads(tenant: str) -> str:
    return "the leads" if tenant == EVERYONE else f"the leads of {tenant}"


def _in_folder(settings: LeadSettings, version: str) -> bool:
    return (settings.models / version).is_dir()


def _flags(settings: LeadSettings, version: str) -> tuple[str, ...]:
    """Signs that a model saw the answer; it may have been trained and published on another machine."""
    if _in_folder(settings, version):
        return read_model(settings, version).manifest.flags
    known = None if version == _rule() else _registry(settings).published.get(version)
    return tuple(known.manifest.get("flags", ())) if known else ()


def _meant_otherwise(settings: LeadSettings, version: str) -> str:
    """What to say where the policy in force means other things by its events than the model learned."""
    if version == _rule() or not _in_folder(settings, version):
        return ""  # what was published elsewhere is told by the workers that load it
    from agents.in_force import in_force
    from agents.meanings import meant_otherwise

    try:
        return meant_otherwise(read_model(settings, version).manifest, wait(in_force(settings)).policies.values())
    except Unavailable:
        return ""  # what is in force cannot be told; where that is for want of a broker, the order that follows says so
    except LeadkeeperError as error:
        fail(CONFIG, str(error))


def _packed(settings: LeadSettings, version: str, at: datetime) -> Published:
    from agents.parcel import pack

    try:
        return pack(read_model(settings, version), at)
    except LeadkeeperError as error:
        fail(CONFIG, str(error))


def read_model(settings: LeadSettings, version: str) -> "TrainedModel":
    """A model of the folder, checked; ends with 78 where it is not there or not what it was."""
    from agents.model import checked, read

    folder = settings.models / version
    try:
        model = read(folder)
        checked(model, str(folder))
    except LeadkeeperError as error:
        fail(CONFIG, str(error))
    return model


def scorer_of(settings: LeadSettings, version: str) -> "Scorer":
    """The model of a version (empty: the one in force at first): of the folder, else as it was published; or the rule."""
    from agents.parcel import open_parcel
    from streams.risk import RuleScorer

    version = version or settings.model or RuleScorer.version
    if version == RuleScorer.version:
        return RuleScorer()
    if _in_folder(settings, version):
        return read_model(settings, version).scorer()
    published = registry_if_any(settings).published
    if version not in published:
        fail(NOT_FOUND, f"{version} is neither in {settings.models} nor published")
    return open_parcel(published[version])


def _registry(settings: LeadSettings) -> "Registry":
    from agents.registry import read_registry

    try:
        return wait(read_registry(settings.bootstrap, settings.topic_prefix))
    except LeadkeeperError as error:
        fail_for(error)


def registry_if_any(settings: LeadSettings) -> "Registry":
    """What the broker has of models; nothing where none answers or it has no topics yet."""
    from agents.registry import Registry, read_registry

    try:
        return asyncio.run(read_registry(settings.bootstrap, settings.topic_prefix))
    except Unavailable:
        return Registry({}, [])


def _rule() -> str:
    from agents.library import RULE_VERSION

    return RULE_VERSION
