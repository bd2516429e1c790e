"""The trees of a model, walked by the fastest engine that gives LightGBM's own numbers, to the bit.

LightGBM takes 60 us for one row and 8 us a row in batches; pylignum walks the same trees in 6 and 2.5 us (measured on 150
trees of 15 leaves). It is young, so its word is never taken for it: when a model is loaded, both score rows that lie on,
above and below the model's own thresholds, and one differing bit, or no wheel for the platform, leaves LightGBM at work.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from streams.features import Floats

if TYPE_CHECKING:
    import lightgbm

logger = logging.getLogger(__name__)

PROBES = 1000
"""Rows that both engines score before the fast one is believed."""


def predictor(booster: lightgbm.Booster, text: bytes) -> Callable[[Floats], Floats]:
    """What scores rows of this model: a matrix of float64, finite or NaN, in; scores before calibration out.

    One thread: more of them spin, and cost more than they give.

    Args:
        booster: The model as LightGBM has it.
        text: The same as LightGBM's text.
    """

    def exact(x: Floats) -> Floats:
        return np.asarray(booster.predict(x, num_threads=1), np.float64)

    fast = _lignum(text)
    if fast is None:
        return exact
    probes = _around_thresholds(text, booster.num_feature())
    if np.array_equal(exact(probes), fast(probes)):
        return fast
    logger.warning("pylignum and LightGBM differ on this model: LightGBM scores, at a third of the speed")
    return exact


def _lignum(text: bytes) -> Callable[[Floats], Floats] | None:
    try:
        import lignum  # noqa: PLC0415 - there is no wheel for every platform

        with tempfile.NamedTemporaryFile(suffix=".txt") as file:
            file.write(text)
            file.flush()
            model = lignum.load(file.name, format="lightgbm")
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        logger.info("pylignum is not used (%s): LightGBM scores, at a third of the speed", error)
        return None

    def fast(x: Floats) -> Floats:
        rows = np.ascontiguousarray(x, np.float64)
        return np.asarray(model.predict(rows, n_jobs=1, strategy="serial"), np.float64)

    return fast


def _around_thresholds(text: bytes, features: int) -> Floats:
    """Rows made of the model's thresholds, of the floats next to them, of 0 and of NaN; the same for the same model."""
    found: list[list[float]] = [[0.0, np.nan] for _ in range(features)]
    splits: list[int] = []
    for line in text.decode().splitlines():
        name, _, rest = line.partition("=")
        if name == "split_feature":
            splits = [int(word) for word in rest.split()]
        elif name == "threshold":
            for feature, threshold in zip(splits, map(float, rest.split()), strict=True):
                found[feature] += [threshold, np.nextafter(threshold, np.inf), np.nextafter(threshold, -np.inf)]
    draw = np.random.default_rng(1)
    rows = np.stack([draw.choice(np.array(values), PROBES) for values in found], axis=1)
    return np.where(np.isinf(rows), np.nan, rows)  # beyond the largest float the two differ; no feature gets there
