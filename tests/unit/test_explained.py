"""A lead's risk on request: base and effects are the score, the difference is since the last assessment, or it says why not."""

from datetime import UTC, datetime

import numpy as np
import pytest

from agents.explained import Assessed, Explained, taken_apart, told
from agents.model import LightGbmScorer
from agents.snapshots import ActivityLog
from agents.train import train
from streams.features import DAY, Rows
from streams.record import LeadRecord, Told
from streams.risk import FAMILIES, RuleScorer, Scorer
from streams.state import encode_record
from streams.vector import vectors
from tests.planted import DAYS, LABEL, POLICY, START, planted_log

LOG = ActivityLog.read(planted_log(), POLICY)
NOW = START.timestamp() + DAYS * DAY


@pytest.fixture(scope="module")
def scorer() -> LightGbmScorer:
    """A trained one, with time to churn."""
    return train(LOG, LABEL, name="planted").scorer()


@pytest.fixture(scope="module")
def row() -> Rows:
    """A lead that has been silent for some days, as it is now."""
    rows = LOG.known_rows(NOW)
    rows = rows[rows["events"] > 3]
    return rows[np.argsort(rows["last"])[[len(rows) // 2]]]


def _told_at(scorer: Scorer, row: Rows, at: float, version: str = "") -> Assessed:
    p = float(scorer.score(vectors(row, np.array([at])))[0])
    return Assessed(datetime.fromtimestamp(at, UTC), p, version or scorer.version)


def _score(found: Explained, scorer: LightGbmScorer) -> float:
    raw = 1 / (1 + np.exp(-(found.base + found.effects.sum())))
    return float(scorer.manifest.calibration.apply(np.array([raw]))[0])


def test_base_and_effects_are_the_score_and_time_to_churn_is_told(scorer: LightGbmScorer, row: Rows) -> None:
    found = taken_apart(row, None, scorer, NOW, None)
    assert _score(found, scorer) == pytest.approx(found.probability, abs=1e-9)
    assert found.forecast == scorer.forecasts(found.x[None, :])[0]
    assert found.forecast is not None
    assert 0 <= found.confidence <= 1
    text = told("acme:L1", "now", found)
    assert "nothing was told of it before" in text
    assert f"{found.forecast.band} days for half of such leads" in text
    assert max(map(len, text.splitlines())) <= 80


def test_in_silence_what_was_thought_is_worked_out_again(scorer: LightGbmScorer, row: Rows) -> None:
    at = float(row["last"][0]) + 60
    last = _told_at(scorer, row, at)
    found = taken_apart(row, None, scorer, NOW, last)
    assert found.shift is not None
    assert found.shift.since.timestamp() == pytest.approx(at)
    assert found.shift.change == pytest.approx(found.probability - last.probability, abs=1e-6)
    moved = found.effects - scorer.effects(vectors(row, np.array([at])))[0]
    for part in found.shift.parts:
        assert part.effect == pytest.approx(moved[FAMILIES.index(part.family)], abs=1e-3)
    assert f"{found.shift.change:+.2f}: " in told("acme:L1", "now", found)


def test_after_an_event_it_is_known_where_reasons_were_told_with_it(scorer: LightGbmScorer, row: Rows) -> None:
    at = float(row["last"][0]) - DAY
    last = Assessed(datetime.fromtimestamp(at, UTC), 0.2, scorer.version)
    lost = taken_apart(row, None, scorer, NOW, last)
    assert lost.shift is None
    assert "what was known then has been overwritten" in " ".join(told("acme:L1", "now", lost).split())
    effects = [10] * len(FAMILIES)
    record = encode_record(LeadRecord(told=Told(at, 0.2, scorer.version, effects)))
    found = taken_apart(row, record, scorer, NOW, last)
    assert found.shift is not None
    assert found.shift.change == pytest.approx(found.probability - 0.2, abs=1e-6)


def test_another_model_then_is_said(scorer: LightGbmScorer, row: Rows) -> None:
    found = taken_apart(row, None, RuleScorer(), NOW, _told_at(scorer, row, NOW - DAY))
    assert found.shift is None
    assert f"{scorer.version} judged then" in " ".join(told("acme:L1", "now", found).split())
    z = found.base + found.effects.sum()
    assert found.base == pytest.approx(-3.2)
    assert 1 / (1 + np.exp(-z)) == pytest.approx(found.probability)
