"""The product as it would be run: trained anew every week on what was known by then, judged on the week that follows.

Nothing here looks at which set it is.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from agents.evaluation import Rows, evaluate
from agents.manifest import Scorecard
from agents.model import TrainedModel
from agents.snapshots import ActivityLog
from agents.train import train
from agents.windows import Windows, windows
from streams.features import DAY, Floats
from streams.labels import Label
from streams.measure import ece, ece_by_chance, off_at_least
from streams.season import levelled

DRAWS = 200
RETRAIN_DAYS = 7.0
"""As often as `worker models` does unless it is told otherwise (`LEADKEEPER_RETRAIN_DAYS`)."""


class Leg(NamedTuple):
    """A week: the model that served it, what it was trained on, and how it did, also row by row."""

    model: TrainedModel
    plan: Windows
    at: tuple[float, ...]
    card: Scorecard
    rows: Rows


def walk(log: ActivityLog, label: Label, name: str) -> Iterator[Leg]:
    """All legs of a log's last third, in order of time."""
    test = windows(log, label).test
    origins = np.arange(test[0], test[-1] + 1, RETRAIN_DAYS * DAY)
    for origin in origins.tolist():
        plan = windows(log, label, origin)
        at = tuple(t for t in plan.test if t < origin + RETRAIN_DAYS * DAY - 1)
        model = train(log, label, origin, name)
        found = evaluate(model.scorer(), log, at)
        yield Leg(model, plan, at, found.overall, found.rows)


WHOSE = {"model": "p", "rfm": "rfm", "recency": "recency"}
"""Fields of a scorecard, and their probabilities in the rows."""


def told(legs: list[Leg], who: str = "model") -> dict[str, float]:
    """Figures of the model, or of a baseline. Calibration is judged on all rows together: of a week's few, chance shows most."""
    names = (WHOSE[who], "y", "t", "leads")
    p, y, t, leads = (np.concatenate([getattr(leg.rows, name) for leg in legs]) for name in names)
    return mean(legs, who) | {
        "ece": ece(p, y),
        "ece_by_chance": ece_by_chance(p),
        "ece_by_chance_95": by_chance(p, 0.95),
        "ece_at_least": off_at_least(p, y, leads),
        "ece_level_known": ece(level_known(p, y, t), y),
    }


def by_chance(p: Floats, share: float) -> float:
    """The calibration error that stays under in this share of draws where every one of the probabilities is exactly right."""
    rng = np.random.default_rng(1)
    return float(np.quantile([ece(p, (rng.random(len(p)) < p).astype(np.float64)) for _ in range(DRAWS)], share))


def level_known(p: Floats, y: Floats, t: Floats) -> Floats:
    """What nobody can know: the same probabilities, at each time moved to the share that will go quiet after it.

    Order and shape stay, so what is left of the calibration error is the model's own, and the rest is the level's, which
    only the future tells.
    """
    out = p.copy()
    for moment in np.unique(t):
        some = t == moment
        out[some] = levelled(p[some], float(y[some].mean()))
    return out


def mean(legs: list[Leg], who: str) -> dict[str, float]:
    """Figures of the legs, weighted by their rows. `who` is a field of the scorecard."""
    weights = [leg.card.window.rows for leg in legs]
    told: list[dict[str, float]] = [getattr(leg.card, who) for leg in legs]
    return {key: float(np.average([one[key] for one in told], weights=weights)) for key in told[0]}
