"""The fast walk through the trees is LightGBM's to the bit, or it is not taken."""

import logging

import numpy as np
import pytest

from agents.boosting import lightgbm
from agents.trees import _around_thresholds, predictor
from streams.features import Floats

lignum = pytest.importorskip("lignum", reason="pylignum has no wheel for this platform: LightGBM scores")


def _boost(seed: int) -> tuple[lightgbm.Booster, bytes]:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(2000, 6))
    x[draw.random(x.shape) < 0.1] = np.nan
    y = (np.nan_to_num(x[:, 0]) + np.abs(np.nan_to_num(x[:, 1])) + draw.normal(size=2000) > 1).astype(float)
    settings = {"objective": "binary", "num_leaves": 15, "verbose": -1, "num_threads": 1, "seed": 1}
    text = lightgbm.train(settings, lightgbm.Dataset(x, y), 40).model_to_string()
    return lightgbm.Booster(model_str=text), text.encode()


def _rows(seed: int, n: int = 5000) -> Floats:
    x = np.random.default_rng(seed).normal(size=(n, 6)) * 10
    x[::7, 2], x[::11, 3] = np.nan, 0.0
    return x


def test_it_is_fast_and_the_same_to_the_bit() -> None:
    booster, text = _boost(1)
    predict = predictor(booster, text)
    assert predict.__name__ == "fast"
    for x in (_rows(2), _rows(3)[:1], _rows(4)[::3], _around_thresholds(text, 6)):
        assert np.array_equal(predict(x), booster.predict(x, num_threads=1))


def test_an_engine_that_says_something_else_is_not_taken(caplog: pytest.LogCaptureFixture) -> None:
    booster, _ = _boost(1)
    _, another = _boost(2)
    with caplog.at_level(logging.WARNING):
        predict = predictor(booster, another)
    assert "differ" in caplog.text
    assert np.array_equal(predict(_rows(2)), booster.predict(_rows(2), num_threads=1))


def test_the_probes_meet_every_threshold_from_both_sides() -> None:
    booster, text = _boost(1)
    probes = _around_thresholds(text, booster.num_feature())
    lines = text.decode().splitlines()
    splits = zip(lines, lines[2:], strict=False)
    pairs = {
        (int(feature), float(threshold))
        for names, values in splits
        if names.startswith("split_feature=") and values.startswith("threshold=")
        for feature, threshold in zip(names[14:].split(), values[10:].split(), strict=True)
    }
    assert len(pairs) > 100
    near = {(feature, value) for feature, column in enumerate(probes.T.tolist()) for value in column}
    met = sum((feature, threshold) in near for feature, threshold in pairs)
    assert met > 0.9 * len(pairs)
