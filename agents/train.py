"""From a log to a model: snapshots by replay, LightGBM, calibration on later snapshots, a test on still later ones.

150 trees of 15 leaves, monotone in silence, no class weights (they ruin probabilities). The same log, mapping and policy
give the same model, byte for byte.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from agents.eventlog import LoggedEvent, ReadReport, RejectedRow, read_events
from agents.hush import in_silence
from agents.mapping import Layout
from agents.model import (
    Calibration,
    Curves,
    Golden,
    LightGbmScorer,
    Manifest,
    Scorecard,
    Trained,
    TrainedModel,
    Window,
    lightgbm,
    version_of,
)
from agents.rejects import Rejects, check_any
from agents.sentiment import reader_of
from agents.snapshots import ActivityLog
from agents.windows import TooLittleData, utc, windows
from streams.curves import gains, reliability
from streams.features import DAY, Floats
from streams.labels import Label
from streams.measure import log_loss, measure
from streams.policy import Policy
from streams.vector import COLUMN, MONOTONE, NAMES, SCHEMA

TREES = 150
SETTINGS: dict[str, int | float | str | bool] = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 15, "max_depth": 6, "min_data_in_leaf": 100,
    "monotone_constraints_method": "basic",  # the exact one: no leaf may break the order, wherever it lies
    "seed": 1, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbose": -1,
}  # fmt: skip
LEAST = {"train": (500, 50), "calibrate": (200, 20)}
"""Rows, and leads of either fate, without which a window is refused."""
RECENCY_SCALE_DAYS = 30.0


class Evaluation(NamedTuple):
    """What a model is worth: over all snapshots together, and at each."""

    overall: Scorecard
    at: dict[float, Scorecard]


class _Rows(NamedTuple):
    window: Window
    x: list[Floats]
    y: Floats


def read_log(
    log: Path | Sequence[Path] | Iterable[LoggedEvent | RejectedRow],
    mapping: Layout,
    policy: Policy,
    report: ReadReport | None = None,
    rejects: Rejects | None = None,
) -> ActivityLog:
    """A log as columns: from files, or from events that were read already.

    Args:
        log: Files, or events.
        mapping: How to read files; what custom kinds mean.
        policy: What the other kinds mean.
        report: Filled in while files are read.
        rejects: Takes rows that cannot be used; left out: they are only counted.

    Raises:
        MappingInvalid: A file lacks a column, or not one row of all files is an event.
    """
    report = report if report is not None else ReadReport()
    source = [log] if isinstance(log, Path) else list(log)
    paths = [path for path in source if isinstance(path, Path)]
    found = read_events(paths, mapping, report) if paths else (e for e in source if not isinstance(e, Path))
    read = ActivityLog.read(_usable(found, rejects), policy, mapping.meanings, reader_of(policy.language))
    if paths:
        check_any(report, mapping.name, paths)
    return read


def _usable(found: Iterable[LoggedEvent | RejectedRow], rejects: Rejects | None) -> Iterator[LoggedEvent]:
    for item in found:
        if isinstance(item, LoggedEvent):
            yield item
        elif rejects is not None:
            rejects.take(item)


def train(log: ActivityLog, label: Label, until: float | None = None, name: str = "log") -> TrainedModel:
    """Train on what was known before `until`, and test on what came after where the log tells.

    Args:
        log: the whole log.
        label: definition of going quiet.
        until: epoch seconds; labels used for training and calibration have come true before. Left out: see `windows`.
        name: of the log, for the manifest.

    Raises:
        TooLittleData: too few rows, too few leads of one fate, or too short a time.
    """
    plan = windows(log, label, until)
    learn = _rows(log, label, "train", plan.train)
    text = _boost(learn.x, learn.y)
    held = _rows(log, label, "calibrate", plan.calibrate)
    x = np.concatenate(held.x)
    raw = np.asarray(lightgbm.Booster(model_str=text.decode()).predict(x, num_threads=1), np.float64)
    calibration = Calibration.fit(raw, held.y)
    made = _made(log, name, plan.calibrate[-1] + label.reach, learn.window, held.window)
    manifest = Manifest(
        version=version_of(text, calibration, made),
        sha256=sha256(text).hexdigest(),
        feature_schema=SCHEMA,
        label=label,
        calibration=calibration,
        recency=Calibration.fit(recency(x), held.y),
        base_rate=float(held.y.mean()),
        trained=made,
        golden=Golden.of(x, calibration.apply(raw)),
    )
    if plan.test:
        card = evaluate(LightGbmScorer(text, manifest), log, plan.test).overall
        manifest = manifest.model_copy(update={"tested": card})
    hush = in_silence(LightGbmScorer(text, manifest), log, plan.calibrate[-1], label)
    return TrainedModel(text, manifest.model_copy(update={"hush": hush}))


def evaluate(scorer: LightGbmScorer, log: ActivityLog, at: Sequence[float]) -> Evaluation:
    """Hold a model against what came true after each of the times, beside recency alone and the base rate.

    Raises:
        TooLittleData: a label of one of the times is not complete in the log, or nobody or everybody went quiet.
    """
    manifest = scorer.manifest
    late = [t for t in at if t > log.last_judged(manifest.label) + 1]
    if late or not at:
        wanted = f"{utc(late)[0]:%Y-%m-%d} has no finished labels" if late else "there are no snapshots"
        raise TooLittleData(
            f"{wanted}: the log ends at {utc([log.end])[0]:%Y-%m-%d}; labels need {manifest.label.reach / DAY:g} days"
        )
    judged, cards = [], {}
    for shot in log.snapshots(at, manifest.label):
        raw, days = scorer.raw(shot.x), recency(shot.x)
        columns = np.stack([shot.y, raw, manifest.calibration.apply(raw), days, manifest.recency.apply(days)])
        judged.append(columns)
        if 0 < shot.y.sum() < len(shot.y):
            cards[shot.t] = _card([shot.t], columns, manifest.base_rate)
    columns = np.concatenate(judged, axis=1)
    rows, quiet = columns.shape[1], int(columns[0].sum())
    if not 0 < quiet < rows:
        raise TooLittleData(
            f"of {rows} rows {quiet} went quiet: nothing to tell apart; check the mapping's label and vocabulary"
        )
    return Evaluation(_card(sorted(at), columns, manifest.base_rate), cards)


def recency(x: Floats) -> Floats:
    """The baseline's score, 0 to 1: days since the last sign of life, and nothing else."""
    days = x[:, COLUMN["silent_days"]]
    return np.asarray(days / (days + RECENCY_SCALE_DAYS))


def _card(times: Sequence[float], columns: Floats, base_rate: float) -> Scorecard:
    y, raw, p, days, alone = columns
    return Scorecard(
        window=_window(times, y),
        model=measure(p, y, raw),
        recency=measure(alone, y, days),
        base_log_loss=log_loss(np.full(len(y), base_rate), y),
        curves=Curves(calibration=reliability(p, y), found=gains(raw, y), found_by_recency=gains(days, y)),
    )


def _made(log: ActivityLog, name: str, end: float, learned: Window, calibrated: Window) -> Trained:
    known = log.batch.rows[: int(np.searchsorted(log.seen, end))]
    return Trained(
        log=name,
        leads=len(np.unique(known)),
        events=len(known),
        first=utc([log.start])[0],
        last=utc([end])[0],
        train=learned,
        calibrate=calibrated,
        settings=SETTINGS | {"trees": TREES},
        lightgbm=lightgbm.__version__,
    )


def _window(times: Sequence[float], y: Floats) -> Window:
    first, last = utc(times)
    return Window(first=first, last=last, snapshots=len(times), rows=len(y), churned=int(y.sum()))


def _rows(log: ActivityLog, label: Label, purpose: str, times: Sequence[float]) -> _Rows:
    shots = [shot for shot in log.snapshots(times, label) if len(shot.y)]
    y = np.concatenate([shot.y for shot in shots]) if shots else np.zeros(0)
    rows, either = LEAST[purpose]
    quiet = int(y.sum())
    if len(y) < rows or min(quiet, len(y) - quiet) < either:
        raise TooLittleData(
            f"to {purpose}, {rows} rows are needed, {either} that went quiet and {either} that did not; the log "
            f"gives {len(y)} rows, {quiet} of them quiet. Use a longer log, or change label.horizon_days, "
            "label.eligible_days or the vocabulary's key events"
        )
    return _Rows(_window(times, y), [shot.x for shot in shots], y)


def _boost(x: list[Floats], y: Floats) -> bytes:
    settings: dict[str, Any] = SETTINGS | {"monotone_constraints": list(MONOTONE)}
    data = lightgbm.Dataset(x, y, feature_name=list(NAMES), free_raw_data=True)
    return bytes(lightgbm.train(settings, data, TREES).model_to_string().encode())
