"""What is done about the models every night: read on, grade what was told, report, go back where a version has to go, retrain.

Going back is an order in the inbox like any promotion, so that a replay goes back at the same record. The order is sent
before it is noted on `policies`: after a crash between the two it is sent again, which changes nothing.
"""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from agents import metrics
from agents.activate import Order, activate
from agents.going_back import WayBack, at_first, way_back
from agents.grade_page import page
from agents.grade_report import Night, export, report
from agents.grading import grades, versions_of
from agents.held import held
from agents.in_force import in_force
from agents.manifest import Manifest
from agents.model import MANIFEST_FILE
from agents.reading import read_topics
from agents.registry import Registry, read_registry
from agents.remembered import Remembered
from agents.retraining import HEAD_START_S, retrain_if_due
from agents.settings import LeadSettings, ModelSettings, Settings
from schemas import topics
from schemas.policies import ModelPromoted
from streams.drift import Moved
from streams.env import EVERYONE
from streams.grade import Grade

logger = logging.getLogger(__name__)
READS = (topics.ASSESSMENTS, topics.SHADOW, topics.DECISIONS, topics.EVENTS)
"""Events last: an erasure among them then ends what was noted of the lead before."""
NOTES_FILE, REPORT_NAME = "notes.sqlite", "grades"
FELL_BACK = "fell back from "
"""How the note of such an order begins."""


async def _drift(settings: ModelSettings, manifest: Manifest | None) -> tuple[Moved, ...]:
    """How far leads are from those that the version in force learned from; nothing of the rule scorer, which did not."""
    if manifest is None or manifest.spread is None:
        return ()
    now = await held(settings, manifest.label)
    return tuple(manifest.spread.drift(now.x, now.published))


async def nightly(settings: ModelSettings) -> Night:
    """Grade and report; go back if a version has to go and the settings allow it.

    Raises:
        Unavailable: The topics do not exist.
    """
    registry = await read_registry(settings.bootstrap, settings.topic_prefix)
    rules = await in_force(settings)
    with Remembered(notes_of(settings), rules.policy_of) as memory:
        await take_notes(memory, settings)
        at = _now(settings, memory.end)
        known = {one.version: one for one in known_models(settings, registry)}
        tried = memory.tried
        found = grades(memory, versions_of(known.values()))
    judging = registry.trail(at_first(settings))[-1]
    back = way_back(settings, registry, {name: one.verdict for name, one in found.items()}, at)
    went = [note.at for note in registry.promotions if note.why.startswith(FELL_BACK)]
    if back is not None and settings.grade_action == "fall_back":
        await _go_back(settings, at, judging, back, found[judging].why)
        went.append(at)
    taken_back = await _take_back(settings, at, registry, found)
    if taken_back and settings.grade_action == "fall_back":
        went.append(at)
    trial = None if back or taken_back else await retrain_if_due(settings, registry, rules.policy_of, at, tried)
    if trial is not None:
        with Remembered(notes_of(settings), rules.policy_of) as memory:
            memory.note_try(at.timestamp())
    night = Night(
        at,
        judging,
        found,
        back.version if back else None,
        await _drift(settings, known.get(judging)),
        taken_back,
        trial.why if trial else "",
    )
    _tell(night, settings, known.get(night.instead or ""))
    write(night, settings.reports)
    export(night)
    metrics.FELL_BACK.set(max((one.timestamp() for one in went), default=0.0))
    metrics.LAST_GRADED.set(datetime.now(UTC).timestamp())
    return night


def notes_of(settings: ModelSettings) -> Path:
    """Where the notes of a deployment lie."""
    return settings.reports / f"{settings.topic_prefix}{NOTES_FILE}"


async def take_notes(memory: Remembered, settings: Settings) -> None:
    """Read on where the last time ended. All of it is remembered, or nothing."""
    prefix, live = settings.topic_prefix, settings.clock == "wall"
    read = memory.read_up_to()
    memory.begin()
    try:
        for topic in READS:
            name = prefix + topic.name
            async for record in read_topics(settings.bootstrap, [name], since=read):
                read[record.topic, record.partition] = record.offset + 1
                if record.value:
                    memory.take(topic.name, record.value, record.timestamp if live else 0)
        memory.commit(read)
    finally:
        memory.roll_back()


def known_models(settings: LeadSettings, registry: Registry) -> list[Manifest]:
    """Manifests of what is published and of what lies in the folder."""
    found: dict[str, Manifest] = {}
    told = [json.dumps(one.manifest).encode() for one in registry.published.values()]
    told += [path.read_bytes() for path in sorted(settings.models.glob(f"*/{MANIFEST_FILE}"))]
    for text in told:
        try:
            one = Manifest.model_validate_json(text)
        except ValidationError:
            continue  # the workers have refused it, and said so
        found[one.version] = one
    return list(found.values())


def write(night: Night, folder: Path) -> None:
    """The reports of this night, as JSON and as a page, and again under a name that stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (f"{REPORT_NAME}-{night.at:%Y-%m-%d}", REPORT_NAME):
        (folder / f"{name}.json").write_text(report(night), encoding="utf-8")
        (folder / f"{name}.html").write_text(page(night), encoding="utf-8")


async def _go_back(settings: ModelSettings, at: datetime, bad: str, back: WayBack, why: str) -> None:
    bootstrap, prefix, good = settings.bootstrap, settings.topic_prefix, back.version
    head_start = HEAD_START_S if back.announce else 0.0
    await activate(bootstrap, prefix, at, Order(model=good), announce=back.announce, head_start_s=head_start)
    note = ModelPromoted(
        id=f"promoted-{good}-{at:%Y%m%dT%H%M%S}", tenant="*", at=at, version=good, why=f"{FELL_BACK}{bad}: {why}"
    )
    await activate(bootstrap, prefix, at, announce=[note])


async def _take_back(
    settings: ModelSettings, at: datetime, registry: Registry, found: Mapping[str, Grade]
) -> tuple[str, ...]:
    """Versions that judge a share of the leads and have to go by what they told of those; the one in force judges them again."""
    bad = {tenant: one for tenant, one in registry.rolling.items() if _has_to_go(found.get(one.version))}
    if settings.grade_action == "fall_back":
        for tenant, one in bad.items():
            whose = "" if tenant == EVERYONE else f"-{tenant}"
            note = ModelPromoted(
                id=f"promoted-{one.version}-{at:%Y%m%dT%H%M%S}{whose}", tenant=tenant, at=at, version=one.version,
                why=f"{FELL_BACK}{one.version}: {found[one.version].why}", share=0.0,
            )  # fmt: skip
            order = Order(model=one.version, share=0.0, tenant=tenant)
            await activate(settings.bootstrap, settings.topic_prefix, at, order)
            await activate(settings.bootstrap, settings.topic_prefix, at, announce=[note])
    for tenant, one in bad.items():
        logger.critical(
            "%s should not judge %.1f %% of %s: %s", one.version, 100 * (one.share or 0), tenant, found[one.version].why
        )
    return tuple(dict.fromkeys(one.version for one in bad.values()))


def _has_to_go(grade: Grade | None) -> bool:
    return grade is not None and grade.verdict == "fall back"


def _tell(night: Night, settings: ModelSettings, instead: Manifest | None) -> None:
    one = night.grades.get(night.in_force)
    if one is None or one.verdict != "fall back":
        return
    if night.instead is None:
        what = "no version before it is known to be better: train a new one"
    elif settings.grade_action == "warn":
        despite = " --despite-flags" if instead and instead.flags else ""
        what = f"`leadkeeper model promote {night.instead}{despite}` goes back; by LEADKEEPER_GRADE_ACTION only this is said"
    else:
        what = f"{night.instead} judges instead"
    logger.critical("%s should not judge: %s; %s", night.in_force, one.why, what)


def _now(settings: ModelSettings, end: float) -> datetime:
    """Where the log carries its own time, that time."""
    return datetime.now(UTC) if settings.clock == "wall" else datetime.fromtimestamp(end, UTC)
