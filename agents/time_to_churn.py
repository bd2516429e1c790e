"""The model of time to churn beside the model of risk: trained on leads at risk, calibrated later, kept as `hazard.txt`."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from agents.boosting import lightgbm
from agents.forecaster import TimeToChurn
from agents.manifest import Calibration, Hazard
from agents.snapshots import ActivityLog, Snapshot
from streams.features import DAY, Bools, Floats, Ints
from streams.hazard import STEP_DAYS, Fate, expand, fates, share_lost, steps_of
from streams.labels import Label, Moments
from streams.vector import COLUMN

LEARN_ROWS, LEAST_ROWS, LEAST_LOST = 20_000, 100, 20
"""Leads at risk that are learned from (every second, third, ... above), and without which there is no such model."""
HELD_OUT = 5
JUDGE_ROWS, JUDGE_LOOKS = 5_000, 4
JUDGED_DAYS = (7, 14, 30)


class _Watched(NamedTuple):
    leads: Ints
    x: Floats
    fate: Fate

    def at(self, where: slice | Bools) -> "_Watched":
        return _Watched(self.leads[where], self.x[where], self.fate.at(where))


class Watch:
    """Follows leads at risk through a log: who of them was lost, and when."""

    def __init__(self, log: ActivityLog, label: Label, lost: Moments, at_risk: Callable[[Floats], Bools]) -> None:
        """`lost`: when leads were lost; `at_risk`: whose risk begins a stage."""
        self._log, self._label, self._lost, self._at_risk = log, label, lost, at_risk
        self.steps = steps_of(label.horizon_days)

    def rows(self, shots: Sequence[Snapshot], known: float) -> _Watched:
        """Leads at risk that were not lost yet, and what became of them as far as is known then."""
        found = [self._one(shot, known) for shot in shots]
        fate = Fate(*(np.concatenate([f.fate[i] for f in found]) for i in (0, 1)))
        return _Watched(np.concatenate([f.leads for f in found]), np.concatenate([f.x for f in found]), fate)

    def _one(self, shot: Snapshot, known: float) -> _Watched:
        here = self._at_risk(shot.x)
        if self._label.churn == "silence":  # who has been silent for a horizon is lost already
            here &= shot.x[:, COLUMN["silent_days"]] < self._label.horizon_days
        unheard = self._lost.leads[self._lost.told_within(shot.t, np.inf)]
        here &= ~np.isin(shot.leads, unheard)  # lost, and nobody knew: there is no week to come in which it is
        after = fates(len(self._log.keys), self._lost, shot.t, self.steps, known)
        leads = shot.leads[here]
        return _Watched(leads, shot.x[here], after.at(leads))


def learn(
    boost: Callable[[Floats, Floats], bytes], train: _Watched, calibrate: _Watched, steps: int
) -> TimeToChurn | None:
    """A model of the weeks; None where too few leads at risk were watched, or lost."""
    if train is calibrate:  # a short log: every fifth lead is kept for the calibration
        held = train.leads % HELD_OUT == 0
        train, calibrate = train.at(~held), train.at(held)
    if any(len(w.x) < LEAST_ROWS or np.isfinite(w.fate.days).sum() < LEAST_LOST for w in (train, calibrate)):
        return None
    text = boost(*_some(train))
    x, y = _some(calibrate)
    raw = np.asarray(lightgbm.Booster(model_str=text.decode()).predict(x, num_threads=1), np.float64)
    hazard = Hazard(sha256=sha256(text).hexdigest(), steps=steps, calibration=Calibration.fit(raw, y))
    return TimeToChurn(text, hazard)


def _some(watched: _Watched) -> tuple[Floats, Floats]:
    some = watched.at(slice(None, None, -(-len(watched.x) // LEARN_ROWS)))
    return expand(some.x, some.fate)


def judge(model: TimeToChurn, watch: Watch, shots: Sequence[Snapshot], end: float) -> dict[str, float]:
    """Share lost by 7, 14 and 30 days as it was told and as it came true, and how well the two go together (Brier).

    Only snapshots after which the log goes on for so long; empty where there are none.
    """
    out: dict[str, float] = {}
    for days in JUDGED_DAYS:
        seen = [shot for shot in shots if shot.t + days * DAY <= end]
        if not seen or days > STEP_DAYS * model.hazard.steps:
            continue
        found = watch.rows(seen[:: -(-len(seen) // JUDGE_LOOKS)], end)
        found = found.at(slice(None, None, max(1, -(-len(found.x) // JUDGE_ROWS))))
        if not len(found.x):
            continue
        told = share_lost(model.survival(found.x), float(days))
        true = (found.fate.days < days).astype(np.float64)
        out |= {
            f"told_{days}": float(told.mean()),
            f"seen_{days}": float(true.mean()),
            f"brier_{days}": float(np.mean((told - true) ** 2)),
        }
    return out
