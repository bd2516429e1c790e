"""A trained model on disk and at work: `models/<version>/model.txt` (LightGBM's text) beside `manifest.json`.

The manifest says what the model may be used for (feature schema, label) and what it is worth (windows, measures). The
version is derived from the content: the same data and settings give the same version, and a changed file is refused.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, ValidationError

from agents.curves import Curves
from agents.golden import Golden
from agents.golden import check as check_golden
from agents.hush import Hush
from agents.trees import predictor
from schemas.errors import ModelInvalid
from schemas.units import Outgoing, Probability, UtcTime
from streams import calibrate
from streams.baselines import Alone
from streams.features import Floats
from streams.labels import Label
from streams.risk import FAMILIES, FEATURE_FAMILY
from streams.season import shifted
from streams.vector import SCHEMA

MODEL_FILE, MANIFEST_FILE, HAZARD_FILE = "model.txt", "manifest.json", "hazard.txt"


@contextmanager
def _without(*modules: str) -> Iterator[None]:
    """Hide modules meanwhile: LightGBM takes in pandas and scikit-learn where it can, 2 s and 90 MB for nothing."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _without("pandas", "sklearn", "dask"):
    import lightgbm as lightgbm  # noqa: PLC0414 - the trainer takes it from here, so that it is hidden from there too


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


class Manifest(Outgoing):
    """What a model is, what it was made from, what it is worth."""

    v: Literal[1] = 1
    version: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    feature_schema: str
    label: Label
    calibration: Calibration
    recency: Calibration = Field(description="the baseline: days since the last sign of life, and nothing else")
    base_rate: Probability = Field(description="share that went quiet in the calibration window")
    trained: Trained
    tested: Scorecard | None = None
    rfm: Rfm | None = None
    single: Single | None = None
    flags: tuple[str, ...] = Field(default=(), description="why it must not be promoted; empty: nothing was found")
    hazard: Hazard | None = None
    season: float = Field(
        default=0.0, description="log-odds in the calibration that come from the same weeks a year ago"
    )
    golden: Golden | None = None
    hush: Hush | None = None


class LightGbmScorer:
    """A trained model behind the face of `streams.risk.Scorer`."""

    method: Literal["rule", "model"] = "model"

    def __init__(self, text: bytes, manifest: Manifest) -> None:
        """Raises ModelInvalid when LightGBM cannot read the text."""
        try:
            self._booster = lightgbm.Booster(model_str=text.decode())
        except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
            raise ModelInvalid(
                f"{manifest.version}: LightGBM cannot read {MODEL_FILE} ({error}); train again"
            ) from None
        self._predict = predictor(self._booster, text)
        self.manifest = manifest
        self.version = manifest.version
        self.horizon_days = manifest.label.gap_days + manifest.label.horizon_days

    def raw(self, x: Floats) -> Floats:
        """Probabilities before calibration."""
        return self._predict(x) if len(x) else np.zeros(0)

    def score(self, x: Floats) -> Floats:
        """Calibrated probabilities, the same for a row alone or among others."""
        return self.manifest.calibration.apply(self.raw(x))

    def effects(self, x: Floats) -> Floats:
        """Exact effect of each family on the log-odds before calibration (TreeSHAP, 0.4 ms a row), without the bias."""
        return self.effects_and_bias(x)[0]

    def effects_and_bias(self, x: Floats) -> tuple[Floats, Floats]:
        """The same, and for each row what the log-odds are before anything is known of it: together they are the score."""
        out = np.zeros((len(x), len(FAMILIES)))
        if not len(x):
            return out, np.zeros(0)
        parts = np.asarray(self._booster.predict(x, pred_contrib=True, num_threads=1), np.float64)
        for column, family in enumerate(FEATURE_FAMILY.tolist()):
            out[:, family] += parts[:, column]
        return out, parts[:, -1]


class TrainedModel(NamedTuple):
    """A model in memory, before it is saved."""

    text: bytes
    manifest: Manifest
    hazard: bytes = b""

    def scorer(self) -> LightGbmScorer:
        """Ready to score."""
        return LightGbmScorer(self.text, self.manifest)

    def save(self, models: Path) -> Path:
        """Write `models/<version>/`; the manifest last, so that a folder with one is whole. Returns the folder."""
        folder = models / self.manifest.version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL_FILE).write_bytes(self.text)
        if self.hazard:
            (folder / HAZARD_FILE).write_bytes(self.hazard)
        (folder / MANIFEST_FILE).write_text(self.manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return folder


def version_of(text: bytes, calibration: Calibration, trained: Trained) -> str:
    """`m-<date of the newest label used>-<10 hex digits of the content>`. Never the clock."""
    content = sha256(text + calibration.model_dump_json().encode()).hexdigest()
    return f"m-{trained.last:%Y%m%d}-{content[:10]}"


def load(folder: Path) -> LightGbmScorer:
    """A saved model, checked. Raises ModelInvalid like `read` and `checked`."""
    return checked(read(folder), str(folder))


def read(folder: Path) -> TrainedModel:
    """A saved model as it lies there. Raises ModelInvalid when files are missing or damaged."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
        text = (folder / MODEL_FILE).read_bytes()
        hazard = (folder / HAZARD_FILE).read_bytes() if manifest.hazard else b""
    except FileNotFoundError as error:
        raise ModelInvalid(
            f"{folder} holds no model: {Path(error.filename).name} is missing; run `leadkeeper train`"
        ) from None
    except ValidationError as error:
        raise ModelInvalid(f"{folder / MANIFEST_FILE} is not a manifest ({_first(error)}); train again") from None
    return TrainedModel(text, manifest, hazard)


def checked(model: TrainedModel, where: str) -> LightGbmScorer:
    """A model that is what its manifest says, and computes here what it computed where it was trained; `where` it lies.

    Raises:
        ModelInvalid: it was changed, belongs to another feature set, or scores differently here; says what to do.
    """
    text, manifest, hazard = model
    _check_hash(f"{where}/{MODEL_FILE}", text, manifest.sha256)
    if manifest.hazard is not None:
        _check_hash(f"{where}/{HAZARD_FILE}", hazard, manifest.hazard.sha256)
    if manifest.feature_schema != SCHEMA:
        raise ModelInvalid(
            f"{manifest.version} was trained on feature schema {manifest.feature_schema}, this program has {SCHEMA}; "
            "train again with this program, or run the one the model was made with"
        )
    if (expected := version_of(text, manifest.calibration, manifest.trained)) != manifest.version:
        raise ModelInvalid(
            f"{where}/{MANIFEST_FILE} was changed: content says {expected}, it says {manifest.version}; train again"
        )
    scorer = LightGbmScorer(text, manifest)
    if manifest.golden is not None:
        check_golden(manifest.golden, scorer)
    return scorer


def _check_hash(name: str, text: bytes, expected: str) -> None:
    if (found := sha256(text).hexdigest()) != expected:
        raise ModelInvalid(
            f"{name} was changed: its SHA-256 is {found[:12]}..., the manifest says {expected[:12]}...; "
            "copy the whole folder again, or train again"
        )


def _first(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'document'}: {first['msg']}"
