"""Baselines in the model's stages: by their own probabilities at the same thresholds, in the card, the page and the JSON."""

import json

import numpy as np
import pytest

from agents.beside import stage_rows, warned_by, warning_rows
from agents.evaluation import ENTER
from agents.manifest import Manifest, Scorecard
from agents.model_card import card
from agents.model_page import page
from agents.snapshots import ActivityLog
from agents.train import train
from streams.baselines import recency, rfm, told
from streams.measure import ece
from tests.planted import LABEL, POLICY, planted_log

LOG = ActivityLog.read(planted_log(), POLICY)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    """Trained and tested."""
    return train(LOG, LABEL, name="planted").manifest


@pytest.fixture(scope="module")
def tested(manifest: Manifest) -> Scorecard:
    """What the test says."""
    assert manifest.tested is not None
    return manifest.tested


def test_each_stands_in_the_stage_of_its_own_probability(manifest: Manifest, tested: Scorecard) -> None:
    step = LABEL.every_days * 86_400
    times = np.arange(tested.window.first.timestamp(), tested.window.last.timestamp() + 1, step).tolist()
    shots = list(LOG.snapshots(times, LABEL))
    x, y = np.concatenate([s.x for s in shots]), np.concatenate([s.y for s in shots])
    assert manifest.rfm is not None
    alone = {
        "recency": manifest.recency.apply(recency(x)),
        "rfm": manifest.rfm.calibration.apply(told(manifest.rfm.weights, rfm(x))),
    }
    assert tested.beside.keys() == alone.keys()
    for who, p in alone.items():
        early = next(rung for rung in tested.beside[who].stages if rung.stage == "early_warning")
        here = (p >= ENTER[0]) & (p < ENTER[1])
        assert early.rows == here.sum() > 0
        assert early.ece == pytest.approx(ece(p[here], y[here]))
        warned = tested.beside[who].warning
        assert warned is not None
        assert warned.contacted == pytest.approx((p >= ENTER[0]).mean())
        assert warned.median_days is not None
    assert sum(rung.rows for rung in tested.beside["recency"].stages) == len(y) == tested.window.rows


def test_card_page_and_json_tell_the_same(manifest: Manifest, tested: Scorecard) -> None:
    text, html = card(manifest), page(manifest)
    assert max(map(len, text.splitlines())) <= 80
    assert warned_by(tested) == ["model", "recency", "RFM"]
    rows = [*stage_rows(tested), *warning_rows(tested)]
    assert {row[1] for row in stage_rows(tested)} == {"model", "recency", "RFM"}
    assert [row for row in rows if row[0] == "median days from warning to loss"] != []
    for row in rows:
        assert any(line.split() == " ".join(row).split() for line in text.splitlines()), row
        assert f"<td>{row[0]}</td>" in html
        assert '<td class="n">' + '</td><td class="n">'.join(row[-2:]) + "</td></tr>" in html
    written = json.loads(manifest.model_dump_json())["tested"]["beside"]
    for who, one in tested.beside.items():
        assert one.warning is not None
        assert written[who]["warning"]["median_days"] == one.warning.median_days
        assert len(written[who]["stages"]) == len(one.stages)


def test_a_model_that_was_made_without_it_shows_itself_alone(manifest: Manifest, tested: Scorecard) -> None:
    lone = tested.model_copy(update={"beside": {}})
    assert warned_by(lone) == ["model"]
    assert {row[1] for row in stage_rows(lone)} == {"model"}
    assert "went quiet" in card(manifest.model_copy(update={"tested": lone}))
    nobody = lone.model_copy(update={"warning": None, "stages": ()})
    assert warning_rows(nobody) == stage_rows(nobody) == []
    assert "Stage by stage" not in page(manifest.model_copy(update={"tested": nobody}))
