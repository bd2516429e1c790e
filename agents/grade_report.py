"""Grades for people, programs and Prometheus: lines of text, JSON, figures."""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from textwrap import wrap
from typing import Any, NamedTuple

from agents import metrics
from streams.drift import Moved
from streams.grade import Grade
from streams.segments import StageGrade
from streams.stage import ORDER

MEASURES = ("auc", "log_loss", "lift_at_10", "ece", "ece_by_chance")


class Night(NamedTuple):
    """What came of one night.

    Attributes:
        at: When.
        in_force: Version that judged until then.
        grades: Of every version that told anything.
        instead: Version that should judge from now on; None: the same.
        drift: How far leads are from those that it learned from, feature by feature; empty: not known.
        taken_back: Versions that judge a share of the leads and should judge none any more.
        retrained: What retraining came to; empty: it was not due.
    """

    at: datetime
    in_force: str
    grades: dict[str, Grade]
    instead: str | None
    drift: tuple[Moved, ...]
    taken_back: tuple[str, ...] = ()
    retrained: str = ""


def report(night: Night) -> str:
    """All of it as JSON."""
    body: dict[str, Any] = {"at": night.at.isoformat(), "in_force": night.in_force, "instead": night.instead}
    body |= {"taken_back": night.taken_back, "retrained": night.retrained}
    body["drift"] = [one._asdict() | {"moved": one.moved} for one in night.drift]
    return json.dumps(body | {"versions": plain(night.grades)}, indent=2) + "\n"


def plain(grades: Mapping[str, Grade]) -> dict[str, Any]:
    """Grades as JSON knows things."""
    return {version: _plain(one) for version, one in grades.items()}


def _plain(one: Grade) -> dict[str, Any]:
    stages = [stage._asdict() | {"stage": ORDER[stage.stage], "false_alarms": _alarms(stage)} for stage in one.stages]
    return one._asdict() | {
        "stages": stages,
        "segments": [segment._asdict() for segment in one.segments],
        "calibration": [bin_._asdict() for bin_ in one.calibration],
        "warned": one.warned._asdict() if one.warned else None,
        "changed": [change._asdict() for change in one.changed],
    }


def _alarms(stage: StageGrade) -> float | None:
    return stage.false_alarms if stage.stage else None


def in_words(version: str, one: Grade) -> Iterator[str]:
    """At most 80 columns wide, but for the first line."""
    yield f"{version}: {one.verdict}. {one.why}"
    yield from wrap(f"asked for {one.asked}", 80, initial_indent="  ", subsequent_indent="  ")
    yield f"  {one.rows:,} judgements at {one.looks} times, {one.quiet:,} went quiet"
    if not one.measures:
        return
    m = one.measures
    yield (
        f"  AUC {m['auc']:.3f}, log loss {m['log_loss']:.3f}, calibration error {m['ece']:.3f} "
        f"({m['ece_by_chance']:.3f} by chance)"
    )
    yield f"  {'stage':26}{'rows':>9}{'told':>9}{'seen':>9}{'false alarms':>15}{'lift':>8}"
    for stage in one.stages:
        alarms = f"{stage.false_alarms:15.1%}" if stage.stage else ""
        yield f"  {ORDER[stage.stage]:26}{stage.rows:9,}{stage.told:9.1%}{stage.seen:9.1%}{alarms}"
    for s in one.segments:
        alarms = f"{s.false_alarms:15.1%}" if s.false_alarms is not None else " " * 15
        lift = f"{s.lift:8.2f}" if s.lift is not None else ""
        yield f"  {s.name[:25]:26}{s.rows:9,}{s.told:9.1%}{s.seen:9.1%}{alarms}{lift}".rstrip()
    if one.warned and one.warned.median_days is not None:
        yield f"  half of the warnings came {one.warned.median_days:.0f} days or more before the loss"
    for change in one.changed:
        what = "more go quiet" if change.of == "quiet" else "seen less told"
        since = datetime.fromtimestamp(change.since, UTC)
        yield f"  changed since {since:%Y-%m-%d}: {what}, from {change.before:.3f} to {change.after:.3f}"


def export(night: Night) -> None:
    """The figures of the version in force; broken is also one that judges only a share. What is not known is not shown."""
    one = night.grades.get(night.in_force)
    for gauge in (metrics.GRADED_MEASURES, metrics.GRADED_STAGES, metrics.GRADED_AGES, metrics.DRIFT, metrics.CHANGED):
        gauge.clear()
    for moved in night.drift:
        metrics.DRIFT.labels(moved.feature).set(moved.psi)
    metrics.DRIFTED.set(sum(moved.moved for moved in night.drift))
    metrics.GRADED_JUDGEMENTS.set(one.rows if one else 0)
    metrics.CALIBRATION_BROKEN.set(bool(night.taken_back) or (one is not None and one.verdict == "fall back"))
    metrics.WARNING_DAYS.set(math.nan)
    if one is not None and one.measures:
        _export(one)


def _export(one: Grade) -> None:
    for name in MEASURES:
        metrics.GRADED_MEASURES.labels(name).set(one.measures[name])
    metrics.GRADED_MEASURES.labels("off").set(one.off)
    for stage in one.stages:
        shares = {"told": stage.told, "seen": stage.seen, "false_alarm": _alarms(stage)}
        for share, value in shares.items():
            if value is not None:
                metrics.GRADED_STAGES.labels(str(ORDER[stage.stage]), share).set(value)
    for segment in one.segments:
        if segment.kind == "age" and segment.false_alarms is not None:
            metrics.GRADED_AGES.labels(segment.name).set(segment.false_alarms)
    for change in one.changed:
        metrics.CHANGED.labels(change.of).set(change.since)
    if one.warned and one.warned.median_days is not None:
        metrics.WARNING_DAYS.set(one.warned.median_days)
