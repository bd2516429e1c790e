"""A trained model on disk and at work: `models/<version>/model.txt` (LightGBM's text) beside `manifest.json`.

The manifest says what the model may be used for (feature schema, label) and what it is worth (windows, measures). The
version is derived from the content, all of it: the same data and settings give the same version, and a changed file is
refused, be it the trees, the label, a flag that was taken out, or a figure of the card.
"""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import ValidationError

from agents.boosting import lightgbm
from agents.forecaster import TimeToChurn
from agents.golden import check as check_golden
from agents.manifest import Manifest
from agents.trees import predictor
from schemas.errors import ModelInvalid
from streams.features import Floats
from streams.hazard import Forecast
from streams.risk import FAMILIES, FEATURE_FAMILY
from streams.vector import SCHEMA

MODEL_FILE, MANIFEST_FILE, HAZARD_FILE = "model.txt", "manifest.json", "hazard.txt"


class LightGbmScorer:
    """A trained model behind the face of `streams.risk.Scorer`."""

    method: Literal["rule", "model"] = "model"

    def __init__(self, text: bytes, manifest: Manifest, hazard: bytes = b"") -> None:
        """Raises ModelInvalid when LightGBM cannot read a text; `hazard` is that of time to churn, empty: there is none."""
        try:
            self._booster = lightgbm.Booster(model_str=text.decode())
            self._later = TimeToChurn(hazard, manifest.hazard) if hazard and manifest.hazard else None
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

    def forecasts(self, x: Floats) -> Sequence[Forecast | None]:
        """When leads at risk will be lost, as a band and an interval (0.1 ms for one, 20 us among many); None: not known."""
        return [None] * len(x) if self._later is None else self._later.forecasts(x)

    def effects(self, x: Floats) -> Floats:
        """Exact effect of each family on the log-odds before calibration (TreeSHAP: 0.2 ms for one row, 70 us among many), without bias."""
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
        return LightGbmScorer(self.text, self.manifest, self.hazard)

    def save(self, models: Path) -> Path:
        """Write `models/<version>/`; the manifest last, so that a folder with one is whole. Returns the folder."""
        folder = models / self.manifest.version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL_FILE).write_bytes(self.text)
        if self.hazard:
            (folder / HAZARD_FILE).write_bytes(self.hazard)
        (folder / MANIFEST_FILE).write_text(self.manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return folder


def sealed(model: TrainedModel) -> TrainedModel:
    """The model under the name that its content gives it, with the seal of all of it. Never the clock.

    The name, `m-<date of the newest label used>-<10 digits>`, leaves out the card's test: what came later does not make it
    another model. The seal covers that, too: trees, label, calibration, base rate, flags, golden rows, name and card.
    """
    name = f"m-{model.manifest.trained.last:%Y%m%d}-{_digest(model, {'version', 'seal', 'tested'})[:10]}"
    named = model._replace(manifest=model.manifest.model_copy(update={"version": name, "seal": ""}))
    seal = _digest(named, {"seal"})
    return named._replace(manifest=named.manifest.model_copy(update={"seal": seal}))


def _digest(model: TrainedModel, without: set[str]) -> str:
    """SHA-256 of the texts and of the manifest without some of its fields."""
    told = json.dumps(model.manifest.model_dump(mode="json", exclude=without), sort_keys=True)
    parts = (model.text, model.hazard, told.encode())
    return sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()


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
    true = sealed(model).manifest
    if (true.version, true.seal) != (manifest.version, manifest.seal):
        raise ModelInvalid(
            f"{where}/{MANIFEST_FILE} was changed, or is of an older program: its content is that of {true.version}, it "
            f"says {manifest.version}; copy it again from where it was trained, or train again"
        )
    scorer = LightGbmScorer(text, manifest, hazard)
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
