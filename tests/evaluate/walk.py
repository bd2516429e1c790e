"""The product as it would be run: trained anew every four weeks on what was known by then, judged on the four that follow.

Nothing here looks at which set it is.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from agents.evaluation import evaluate
from agents.manifest import Scorecard
from agents.model import TrainedModel
from agents.snapshots import ActivityLog
from agents.train import train
from agents.windows import Windows, windows
from streams.features import DAY
from streams.labels import Label

RETRAIN_DAYS = 28.0


class Leg(NamedTuple):
    """Four weeks: the model that served them, what it was trained on, and how it did."""

    model: TrainedModel
    plan: Windows
    at: tuple[float, ...]
    card: Scorecard


def walk(log: ActivityLog, label: Label, name: str) -> Iterator[Leg]:
    """All legs of a log's last third, in order of time."""
    test = windows(log, label).test
    origins = np.arange(test[0], test[-1] + 1, RETRAIN_DAYS * DAY)
    for origin in origins.tolist():
        plan = windows(log, label, origin)
        at = tuple(t for t in plan.test if t < origin + RETRAIN_DAYS * DAY - 1)
        model = train(log, label, origin, name)
        yield Leg(model, plan, at, evaluate(model.scorer(), log, at).overall)


def mean(legs: list[Leg], who: str) -> dict[str, float]:
    """Figures of the legs, weighted by their rows. `who` is a field of the scorecard."""
    weights = [leg.card.window.rows for leg in legs]
    told: list[dict[str, float]] = [getattr(leg.card, who) for leg in legs]
    return {key: float(np.average([one[key] for one in told], weights=weights)) for key in told[0]}
