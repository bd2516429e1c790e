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

from agents.trees import predictor
from schemas.errors import ModelInvalid
from schemas.units import Outgoing, Probability, UtcTime
from streams import calibrate
from streams.features import Floats
from streams.labels import Label
from streams.risk import FAMILIES, FEATURE_FAMILY
from streams.vector import SCHEMA

MODEL_FILE, MANIFEST_FILE = "model.txt", "manifest.json"


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


class Scorecard(Outgoing):
    """Measures (`streams.measure`) of the model, of recency alone (calibrated the same way) and of the base rate."""

    window: Window
    model: dict[str, float]
    recency: dict[str, float]
    base_log_loss: float


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

    def raw(self, x: Floats) -> Floats:
        """Probabilities before calibration."""
        return self._predict(x) if len(x) else np.zeros(0)

    def score(self, x: Floats) -> Floats:
        """Calibrated probabilities, the same for a row alone or among others."""
        return self.manifest.calibration.apply(self.raw(x))

    def effects(self, x: Floats) -> Floats:
        """Exact effect of each family on the log-odds before calibration (TreeSHAP, 0.4 ms a row), without the bias."""
        out = np.zeros((len(x), len(FAMILIES)))
        if len(x):
            parts = np.asarray(self._booster.predict(x, pred_contrib=True, num_threads=1), np.float64)
            for column, family in enumerate(FEATURE_FAMILY.tolist()):
                out[:, family] += parts[:, column]
        return out


class TrainedModel(NamedTuple):
    """A model in memory, before it is saved."""

    text: bytes
    manifest: Manifest

    def scorer(self) -> LightGbmScorer:
        """Ready to score."""
        return LightGbmScorer(self.text, self.manifest)

    def save(self, models: Path) -> Path:
        """Write `models/<version>/`; the manifest last, so that a folder with one is whole. Returns the folder."""
        folder = models / self.manifest.version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL_FILE).write_bytes(self.text)
        (folder / MANIFEST_FILE).write_text(self.manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return folder


def version_of(text: bytes, calibration: Calibration, trained: Trained) -> str:
    """`m-<date of the newest label used>-<10 hex digits of the content>`. Never the clock."""
    content = sha256(text + calibration.model_dump_json().encode()).hexdigest()
    return f"m-{trained.last:%Y%m%d}-{content[:10]}"


def load(folder: Path) -> LightGbmScorer:
    """A saved model, checked.

    Raises:
        ModelInvalid: files are missing, were changed, or belong to another feature set; says what to do.
    """
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
        text = (folder / MODEL_FILE).read_bytes()
    except FileNotFoundError as error:
        raise ModelInvalid(
            f"{folder} holds no model: {Path(error.filename).name} is missing; run `leadkeeper train`"
        ) from None
    except ValidationError as error:
        raise ModelInvalid(f"{folder / MANIFEST_FILE} is not a manifest ({_first(error)}); train again") from None
    if (found := sha256(text).hexdigest()) != manifest.sha256:
        raise ModelInvalid(
            f"{folder / MODEL_FILE} was changed: its SHA-256 is {found[:12]}..., the manifest says "
            f"{manifest.sha256[:12]}...; copy the whole folder again, or train again"
        )
    if manifest.feature_schema != SCHEMA:
        raise ModelInvalid(
            f"{manifest.version} was trained on feature schema {manifest.feature_schema}, this program has {SCHEMA}; "
            "train again with this program, or run the one the model was made with"
        )
    if (expected := version_of(text, manifest.calibration, manifest.trained)) != manifest.version:
        raise ModelInvalid(
            f"{folder / MANIFEST_FILE} was changed: content says {expected}, it says {manifest.version}; train again"
        )
    return LightGbmScorer(text, manifest)


def _first(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'document'}: {first['msg']}"
