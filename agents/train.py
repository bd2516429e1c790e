"""From a log to a model: snapshots by replay, LightGBM, calibration on later snapshots, a test on still later ones.

100 trees of 8 leaves, monotone in silence, no class weights (they ruin probabilities). On the three real logs of
`make evaluate` these rank later months better than 150 trees of 15 leaves (AUC +0.001 to +0.003), at a third of the cost.
The same log, mapping and policy give the same model, byte for byte.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from agents.boosting import lightgbm
from agents.evaluation import ENTER, Evaluation, evaluate, importance, losses, window
from agents.eventlog import LoggedEvent, ReadReport, RejectedRow, read_events
from agents.forecaster import TimeToChurn
from agents.golden import Golden
from agents.hindsight import written_after
from agents.hush import in_silence
from agents.manifest import Calibration, Manifest, Rfm, Single, Trained, Window
from agents.mapping import Layout
from agents.model import LightGbmScorer, TrainedModel, sealed
from agents.outlook import outlook
from agents.rejects import Rejects, check_any
from agents.snapshots import ActivityLog, Snapshot
from agents.spread import Spread
from agents.time_to_churn import Watch, judge
from agents.time_to_churn import learn as learn_hazard
from agents.windows import FOLDS, TooLittleData, Windows, parts, utc, windows
from streams.baselines import Alone, logistic, recency, rfm, told
from streams.features import Floats
from streams.hazard import EXTRA
from streams.labels import Label, Moments, healthy_horizon
from streams.leaks import leaks, too_good
from streams.policy import Policy
from streams.vector import MONOTONE, NAMES, SCHEMA

__all__ = ["Evaluation", "TooLittleData", "evaluate", "read_log", "train"]

TREES = 100
SETTINGS: dict[str, int | float | str | bool] = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 8, "max_depth": 4, "min_data_in_leaf": 100,
    "monotone_constraints_method": "basic",  # the exact one: no leaf may break the order, wherever it lies
    "seed": 1, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbose": -1,
}  # fmt: skip
LEAST = {"train": (500, 50), "calibrate": (200, 20)}
"""Rows, and leads of either fate, without which a window is refused."""
SINGLE_ROWS = 20_000
"""Rows on which single features are ranked: 56 features on 500,000 rows would take a minute."""
FOLLOWED_ROWS = 60_000
"""Rows among which leads at risk are looked for to learn their time to churn; of more, every second, third, ... snapshot."""
RULE_SCORER = "Until then the rule scorer judges: silence against the lead's own rhythm, without training"
Progress = Callable[[str, float], None]


def no_progress(_what: str, _share: float) -> None:
    """For those who do not want to know."""


class _Rows(NamedTuple):
    window: Window
    shots: list[Snapshot]
    x: Floats
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
    read = ActivityLog.read(_usable(found, rejects), policy, mapping.meanings)
    if paths:
        check_any(report, mapping.name, paths)
    return read


def _usable(found: Iterable[LoggedEvent | RejectedRow], rejects: Rejects | None) -> Iterator[LoggedEvent]:
    for item in found:
        if isinstance(item, LoggedEvent):
            yield item
        elif rejects is not None:
            rejects.take(item)


def train(
    log: ActivityLog, label: Label, until: float | None = None, name: str = "log", progress: Progress = no_progress
) -> TrainedModel:
    """Train on what was known before `until`, and test on what came after where the log tells.

    Args:
        log: the whole log.
        label: definition of going quiet; what it leaves open is settled by the log (`settled`).
        until: epoch seconds; labels used for training and calibration have come true before. Left out: see `windows`.
        name: of the log, for the manifest.
        progress: told what is being done, and which share of it is done.

    Raises:
        TooLittleData: too few rows, too few leads of one fate, or too short a time.
    """
    label = settled(log, label, until)
    plan = windows(log, label.at_any_age, until)
    known = plan.calibrate[-1] + label.reach
    learn, held = gathered(log, label.at_any_age, plan, progress)
    text = _boost(learn.x, learn.y, lambda share: progress("learning", share))
    raw = _raw(text, held.x) if plan.apart == "time" else out_of_fold(log, learn)
    calibration = Calibration.fit(raw, held.y)
    ahead = outlook(log, label.at_any_age, plan, held.shots, raw, partial(_raw, text), calibration.apply)
    calibration = calibration.shifted(sum(ahead))
    made = _made(log, name, known, learn.window, held.window).model_copy(update={"apart": plan.apart})
    weights = logistic(rfm(learn.x), learn.y)
    some = slice(None, None, max(1, len(learn.y) // SINGLE_ROWS))
    alone = {feature: Alone.fit(learn.x[some, i], learn.y[some]) for i, feature in enumerate(NAMES)}
    best = max(NAMES, key=lambda feature: alone[feature].auc)
    manifest = Manifest(
        sha256=sha256(text).hexdigest(),
        feature_schema=SCHEMA,
        label=label,
        label_version=label.version,
        vocabulary=log.vocabulary,
        calibration=calibration,
        recency=Calibration.fit(recency(held.x), held.y),
        base_rate=float(held.y.mean()),
        trained=made,
        rfm=Rfm(weights=weights, calibration=Calibration.fit(told(weights, rfm(held.x)), held.y)),
        single=Single(name=best, alone=alone[best]),
        flags=leaks(alone) + written_after(log, learn.shots),
        spread=Spread.of(
            learn.x[some],
            calibration.apply(_raw(text, learn.x[some])),
            np.concatenate([s.leads for s in learn.shots])[some],
        ),
        golden=Golden.of(held.x, calibration.apply(_raw(text, held.x))),
        season=ahead.season,
        lately=ahead.lately,
    )
    scorer = LightGbmScorer(text, manifest)
    watch = Watch(log, label, losses(log, label)[0], lambda x: scorer.score(x) >= ENTER[0])
    # A fate is watched for longer than a label reaches: what is learned from may not know what it is calibrated by.
    seen_until = known if plan.apart == "leads" else plan.calibrate[0]
    followed = watch.rows(learn.shots[:: max(1, len(learn.y) // FOLLOWED_ROWS)], seen_until)
    kept = followed if held is learn else watch.rows(held.shots, known)
    later = learn_hazard(_boost_weeks, followed, kept, watch.steps)
    if later is not None:
        manifest = manifest.model_copy(update={"hazard": later.hazard})
    if plan.test:
        progress("testing", 0.0)
        manifest = _tested(LightGbmScorer(text, manifest), later, watch, log, plan.test)
    manifest = manifest.model_copy(update={"hush": in_silence(scorer, log, plan.calibrate[-1], label)})
    progress("testing", 1.0)
    return sealed(TrainedModel(text, manifest, later.text if later else b""))


def _tested(
    scorer: LightGbmScorer, later: TimeToChurn | None, watch: Watch, log: ActivityLog, at: Sequence[float]
) -> Manifest:
    """The manifest with what the test says."""
    manifest = scorer.manifest
    card = evaluate(scorer, log, at).overall
    shots = list(log.snapshots(at, manifest.label.at_any_age))
    card = card.model_copy(
        update={
            "importance": importance(scorer, shots[len(shots) // 2]),
            "time_to_churn": judge(later, watch, shots, log.end) if later else {},
        }
    )
    return manifest.model_copy(update={"tested": card, "flags": manifest.flags + too_good(card.model["auc"])})


def settled(log: ActivityLog, label: Label, until: float | None = None) -> Label:
    """The label with all it leaves open settled by the gaps between signs of life before `until`: the horizon, who is alive.

    Where going quiet is a silence, a lead that has been silent for longer than nearly all who came back is not asked about:
    it has gone quiet already. Where it is a closing, who is not closed is alive.
    """
    known = log.life.known_before(np.inf if until is None else until)
    given, found = label.model_fields_set, healthy_horizon(Moments(log.life.leads[known], log.life.times[known]))
    if found is None:
        return label
    horizon = {} if "horizon_days" in given else {"horizon_days": float(found)}
    alive = {} if "eligible_days" in given or label.churn != "silence" else {"eligible_days": float(found)}
    return label.model_copy(update=horizon | alive)


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
        bygone=log.bygone,
    )


def gathered(log: ActivityLog, label: Label, plan: Windows, progress: Progress) -> tuple[_Rows, _Rows]:
    """Rows to learn from and to calibrate with, in one pass over the log."""
    times = sorted({*plan.train, *plan.calibrate})
    shots: dict[float, Snapshot] = {}
    for shot in log.snapshots(times, label):
        shots[shot.t] = shot
        progress("looking back", len(shots) / len(times))
    learn = _rows([shots[t] for t in plan.train], "train")
    return learn, learn if plan.calibrate == plan.train else _rows([shots[t] for t in plan.calibrate], "calibrate")


def _rows(shots: list[Snapshot], purpose: str) -> _Rows:
    found = [shot for shot in shots if len(shot.y)]
    y = np.concatenate([shot.y for shot in found]) if found else np.zeros(0)
    rows, either = LEAST[purpose]
    quiet = int(y.sum())
    if len(y) < rows or min(quiet, len(y) - quiet) < either:
        raise TooLittleData(
            f"to {purpose}, {rows} rows are needed, {either} that went quiet and {either} that did not; the log "
            f"gives {len(y)} rows, {quiet} of them quiet. Use a longer log, or change label.horizon_days, "
            f"label.eligible_days or the vocabulary's key events. {RULE_SCORER}"
        )
    return _Rows(window([shot.t for shot in shots], y), found, np.concatenate([shot.x for shot in found]), y)


def out_of_fold(log: ActivityLog, rows: _Rows) -> Floats:
    """Raw scores of every lead by what was learned from the others (`agents.windows.parts`)."""
    part = parts(log, rows.shots[-1].t)
    fold = np.concatenate([part[shot.leads] for shot in rows.shots])
    raw = np.zeros(len(rows.y))
    for i in range(FOLDS):
        mine = fold == i
        raw[mine] = _raw(_boost(rows.x[~mine], rows.y[~mine]), rows.x[mine])
    return raw


def _raw(text: bytes, x: Floats) -> Floats:
    return np.asarray(lightgbm.Booster(model_str=text.decode()).predict(x, num_threads=1), np.float64)


def _boost(x: Floats, y: Floats, done: Callable[[float], None] | None = None) -> bytes:
    return _grown(x, y, MONOTONE, NAMES, done)


def _boost_weeks(x: Floats, y: Floats) -> bytes:
    return _grown(x, y, (*MONOTONE, *(0 for _ in EXTRA)), (*NAMES, *EXTRA), None)


def _grown(
    x: Floats, y: Floats, monotone: Sequence[int], names: Sequence[str], done: Callable[[float], None] | None
) -> bytes:
    settings: dict[str, Any] = SETTINGS | {"monotone_constraints": list(monotone)}
    data = lightgbm.Dataset(x, y, feature_name=list(names), free_raw_data=True)
    told_of = [lambda env: done((env.iteration + 1) / TREES)] if done else []
    return bytes(lightgbm.train(settings, data, TREES, callbacks=told_of).model_to_string().encode())
