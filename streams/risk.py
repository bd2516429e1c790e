"""Numbers -> probability of going quiet. `Scorer` is the face that the rule scorer and a trained model share.

The rule scorer answers where no model was trained yet. It compares the silence with the lead's own rhythm:

    z = -3.2 + 2.2 ln(1 + silence / usual gap)            silence of 2 gaps ~ 0.3, 4 ~ 0.6, 7 ~ 0.8
        + 0.8 unanswered share + 1.0 trouble share + 0.6 payment trouble share + 1.0 (0.5 - mood)
        - 0.25 ln(1 + signs of life)
        + 0.4 ln(1 + days stuck in a stage of the journey / 7) + 0.4 min(moves back, 3)
    p = 1 / (1 + e^-z)

A lead without a rhythm of its own yet (fewer than 3 signs of life) is held against 7 days. The weights are judgement, not
fitted; every assessment says which method produced it. Those of the journey are small on purpose, as
how long a stage may last is its author's judgement, too: a week too long in it counts as silence of 2.4 gaps in place of 2.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from streams.features import Floats
from streams.hazard import Forecast
from streams.vector import COLUMN, FAMILY_OF, NAMES

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(FAMILY_OF[n] for n in NAMES))
"""Families under which effects are told, in column order of `Scorer.effects`."""
_FAMILY_INDEX = {f: i for i, f in enumerate(FAMILIES)}
FEATURE_FAMILY = np.array([_FAMILY_INDEX[FAMILY_OF[n]] for n in NAMES])

DEFAULT_GAP_DAYS = 7.0
LONGEST_GAP_DAYS = 60.0
MOST_BACK = 3
"""Moves back on the journey, beyond which more of them say no more."""
RHYTHM_NEEDS = 3
"""Signs of life before a lead's own gap is believed."""


class Scorer(Protocol):
    """What scores: pure, deterministic, the same for a row alone or in a batch, never falling in pure silence."""

    @property
    def method(self) -> Literal["rule", "model"]:
        """How the probability came about."""

    @property
    def version(self) -> str:
        """Which version of the method."""

    @property
    def horizon_days(self) -> float:
        """Going quiet within so many days is what the probability is about."""

    def score(self, x: Floats) -> Floats:
        """Calibrated probabilities in [0, 1], one per row of the feature matrix."""

    def forecasts(self, x: Floats) -> Sequence[Forecast | None]:
        """When leads with these features will be lost, one per row; None where that is not known."""

    def effects(self, x: Floats) -> Floats:
        """Effect of each family (columns as FAMILIES) on the log-odds, per row; for telling reasons."""


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + e^-z), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))


class RuleScorer:
    """The documented rule of the module docstring."""

    method: Literal["rule", "model"] = "rule"
    version = "rule-2"
    horizon_days = 30.0

    def _terms(self, x: Floats) -> dict[str, Floats]:
        def column(name: str, missing: float) -> Floats:
            values = x[:, COLUMN[name]]
            return np.where(np.isnan(values), missing, values)

        enough = x[:, COLUMN["key_events"]] >= RHYTHM_NEEDS
        gap = np.where(enough, column("usual_gap_days", DEFAULT_GAP_DAYS), DEFAULT_GAP_DAYS)
        gap = np.clip(gap, 1.0, LONGEST_GAP_DAYS)
        return {
            "silence": 2.2 * np.log1p(x[:, COLUMN["silent_days"]] / gap),
            "unanswered": 0.8 * column("unanswered_share", 0.0),
            "trouble": 1.0 * column("trouble_share", 0.0),
            "payment": 0.6 * column("payment_trouble_share", 0.0),
            "mood": 0.5 - column("mood", 0.5),
            "history": -0.25 * np.log1p(x[:, COLUMN["key_events"]]),
            "journey": 0.4 * np.log1p(column("stage_overdue_days", 0.0) / 7.0)
            + 0.4 * np.minimum(column("backward_moves", 0.0), MOST_BACK),
        }

    def score(self, x: Floats) -> Floats:
        """Probabilities by the rule."""
        return sigmoid(-3.2 + np.sum(np.stack(list(self._terms(x).values())), axis=0))

    def forecasts(self, x: Floats) -> Sequence[Forecast | None]:
        """Not known: a rule knows no dates."""
        return [None] * len(x)

    def effects(self, x: Floats) -> Floats:
        """The terms of the rule, by family."""
        out = np.zeros((len(x), len(FAMILIES)))
        for family, term in self._terms(x).items():
            out[:, _FAMILY_INDEX[family]] = term
        return out


def level_of(probability: float, thresholds: Sequence[float]) -> int:
    """0 low, 1 medium, 2 high, 3 critical: how many of the three stage thresholds are reached."""
    return sum(probability >= t for t in thresholds)
