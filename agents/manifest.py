"""What a saved model says of itself: what it may be used for, what it was made from, and what it is worth."""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from agents.curves import Curves
from agents.golden import Golden
from agents.hush import Hush
from agents.snapshots import Bygone
from agents.spread import Spread
from schemas.units import Outgoing, Probability, UtcTime
from streams import calibrate
from streams.baselines import Alone
from streams.features import Floats
from streams.labels import Label
from streams.season import shifted


class Calibration(Outgoing):
    """Knots that turn raw scores into probabilities (`streams.calibrate`)."""

    method: Literal["isotonic", "platt"]
    scores: tuple[float, ...]
    probabilities: tuple[Probability, ...]

    def apply(self, scores: Floats) -> Floats:
        """Calibrated probabilities."""
        return calibrate.apply((self.scores, self.probabilities), scores)

    def shifted(self, by: float) -> "Calibration":
        """The same with so many log-odds added to every probability (`streams.season`)."""
        if not by:
            return self
        moved = shifted(np.array(self.probabilities), by)
        return self.model_copy(update={"probabilities": tuple(moved.tolist())})

    @classmethod
    def fit(cls, scores: Floats, labels: Floats) -> "Calibration":
        """Fitted by isotonic regression or Platt's line, by size."""
        method, (xs, ys) = calibrate.fit(scores, labels)
        return cls.model_validate({"method": method, "scores": xs, "probabilities": ys})


class Window(Outgoing):
    """Snapshots that were used for one purpose."""

    first: UtcTime
    last: UtcTime
    snapshots: int
    rows: int
    churned: int


class EarlyWarning(Outgoing):
    """How early lost leads were in a stage or above (`streams.warning`); null: nobody was judged so long before."""

    days: tuple[float, ...]
    before_last_sign: tuple[float | None, ...]
    before_lost: tuple[float | None, ...]
    contacted: Probability
    median_days: float | None = None


class Rung(NamedTuple):
    """What was told and what came true among the leads of one stage."""

    stage: str
    rows: int
    told: float
    seen: float
    ece: float | None = None
    """Calibration error within the stage."""
    ece_by_chance: float | None = None
    """What so few rows would show if every one of them were right."""


class Beside(Outgoing):
    """A baseline in the same stages: by its own calibrated probabilities, at the thresholds of the model."""

    stages: tuple[Rung, ...]
    warning: EarlyWarning | None = None


class Scorecard(Outgoing):
    """Measures (`streams.measure`) of the model, of recency alone (calibrated the same way) and of the base rate."""

    window: Window
    model: dict[str, float]
    recency: dict[str, float]
    base_log_loss: float
    rfm: dict[str, float] = Field(default={}, description="logistic regression on recency, frequency and money")
    single: tuple[str, float] | None = Field(default=None, description="the feature that ranks best alone, and its AUC")
    stages: tuple[Rung, ...] = ()
    warning: EarlyWarning | None = Field(default=None, description="where leads are contacted from early warning on")
    warning_later: dict[str, EarlyWarning] = Field(
        default={}, description="where they are contacted from a later stage on"
    )
    beside: dict[str, Beside] = Field(
        default={}, description="stages and early warning of `recency` alone and of `rfm`"
    )
    importance: dict[str, float] = Field(
        default={},
        description="what the AUC loses when a family of features is shuffled among the leads; largest first",
    )
    time_to_churn: dict[str, float] = Field(
        default={}, description="of leads at risk: told and seen share lost within 7, 14, 30 days, and the Brier score"
    )
    curves: Curves | None = None


class Rfm(Outgoing):
    """The baseline of three numbers (`streams.baselines`), calibrated as the model is."""

    weights: tuple[float, ...]
    calibration: Calibration


class Single(Outgoing):
    """The feature that ranks the rows of the training best alone."""

    name: str
    alone: Alone


class Hazard(Outgoing):
    """The model of time to churn beside the model of risk (`streams.hazard`), in `hazard.txt`."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    steps: int = Field(description="weeks")
    calibration: Calibration


class Trained(Outgoing):
    """What a model was made from."""

    log: str
    leads: int
    events: int
    first: UtcTime
    last: UtcTime
    train: Window
    calibrate: Window
    settings: dict[str, int | float | str | bool]
    lightgbm: str
    bygone: Bygone | None = Field(
        default=None, description="of a log that lost its beginning: messages deleted, and leads that began before"
    )
    apart: Literal["time", "leads"] = Field(
        default="time", description="what keeps training and calibration from knowing each other (`agents.windows`)"
    )


class Manifest(Outgoing):
    """What a model is, what it was made from, what it is worth."""

    v: Literal[1] = 1
    version: str = Field(default="", description="`m-<date of the newest label used>-<first digits of the seal>`")
    seal: str = Field(default="", description="SHA-256 of everything below and of the model's texts")
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    feature_schema: str
    label: Label
    label_version: str = Field(default="", description="names the definition of going quiet (`streams.labels`)")
    vocabulary: str = Field(
        default="",
        description="names what events meant when it learned (`streams.vocabulary`); several: to its tenants",
    )
    calibration: Calibration
    recency: Calibration = Field(description="the baseline: days since the last sign of life, and nothing else")
    base_rate: Probability = Field(description="share that went quiet in the calibration window")
    trained: Trained
    tested: Scorecard | None = None
    rfm: Rfm | None = None
    single: Single | None = None
    flags: tuple[str, ...] = Field(default=(), description="why it must not be promoted; empty: nothing was found")
    hazard: Hazard | None = None
    golden: Golden | None = None
    hush: Hush | None = None
    spread: Spread | None = None
    season: float = Field(
        default=0.0,
        description="log-odds in the calibration that come from the same weeks a year ago, or from their volume",
    )
    lately: float = Field(
        default=0.0, description="log-odds in the calibration that come from the newest weeks, of whom half is known"
    )
