"""A second look at calibration where the weeks to be judged by are too few: over the training rows, crossed by lead.

Each fifth of the leads is told by trees and by a calibration that were fitted without it; the trees behind the scores that the
calibration was fitted to did see it. It is no time split: what changes from one month to the next does not show in it.
"""

from typing import NamedTuple

import numpy as np

from agents.manifest import Calibration
from agents.snapshots import ActivityLog
from agents.train import gathered, no_progress, out_of_fold
from agents.windows import FOLDS
from streams.features import Floats, Ints
from streams.measure import ece, ece_by_chance, off_at_least
from tests.evaluate.walk import Leg


class Crossed(NamedTuple):
    """Calibration error over so many rows; what chance would show were all of them right, and each another's; what is surely off."""

    rows: int
    leads: int
    ece: float
    by_chance: float
    at_least: float


def crossed(log: ActivityLog, leg: Leg) -> dict[str, Crossed]:
    """What a leg's model was trained on: at the ages that are asked for, and at every age, as it is used."""
    label = leg.model.manifest.label
    learn, _ = gathered(log, label.at_any_age, leg.plan, no_progress)
    leads, y, raw = np.concatenate([shot.leads for shot in learn.shots]), learn.y, out_of_fold(log, learn)
    p = np.zeros(len(y))
    part = leads // FOLDS % FOLDS  # not the fold of its trees, which goes by arrival: each part has scores of all five
    for i in range(FOLDS):
        p[part == i] = Calibration.fit(raw[part != i], y[part != i]).apply(raw[part == i])
    asked = np.concatenate([log.eligible(shot.t, label)[shot.leads] for shot in learn.shots])
    return {"as tested": _of(p[asked], y[asked], leads[asked]), "at any age": _of(p, y, leads)}


def _of(p: Floats, y: Floats, leads: Ints) -> Crossed:
    return Crossed(len(y), len(np.unique(leads)), ece(p, y), ece_by_chance(p), off_at_least(p, y, leads))
