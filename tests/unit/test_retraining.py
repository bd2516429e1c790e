"""Retraining: fresh beats stale where that is so, nothing happens where nothing is known, and only when it is due."""

from datetime import UTC, datetime, timedelta

import pytest

from agents.model import TrainedModel
from agents.parcel import pack
from agents.registry import Registry
from agents.retraining import is_due, retrained
from agents.snapshots import ActivityLog
from agents.train import train
from agents.windows import TooLittleData
from schemas.policies import ModelPromoted
from streams.features import DAY
from tests.planted import LABEL, POLICY, START, planted_log

EVENTS = planted_log()
LOG = ActivityLog.read(EVENTS, POLICY)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def stale() -> TrainedModel:
    """Trained on the first 160 of 330 days."""
    return train(LOG, LABEL, START.timestamp() + 160 * DAY, "planted")


def test_a_stale_model_gives_way_to_one_that_knows_everything(stale: TrainedModel) -> None:
    trial = retrained(LOG, POLICY, stale.scorer(), "planted")
    assert trial.compared is not None
    low, mean, high = trial.compared.verdict.difference
    assert trial.compared.champion == stale.manifest.version
    assert low <= mean <= high
    if trial.model is None:
        assert trial.compared.verdict.refusals
        assert trial.why == "; ".join(trial.compared.verdict.refusals)
    else:
        assert high < 0, "surely better"
        assert trial.model.manifest.trained.last.timestamp() == pytest.approx(LOG.end, abs=1)
        assert trial.model.manifest.label == stale.manifest.label
        assert f"it beats {stale.manifest.version}" in trial.why


def test_what_was_just_made_is_held_against_its_twin() -> None:
    """In force since the log's end: made the same way at the cut it is the very model that wants to replace it."""
    newest = train(LOG, LABEL, LOG.end, "planted")
    trial = retrained(LOG, POLICY, newest.scorer(), "planted")
    assert trial == (None, None, "nothing has come in that would change it")


def test_a_log_too_short_for_two_models_changes_nothing(stale: TrainedModel) -> None:
    short = ActivityLog.read([e for e in EVENTS if e.at_ms / 1000 < START.timestamp() + 60 * DAY], POLICY)
    with pytest.raises(TooLittleData, match="rule scorer"):
        retrained(short, POLICY, stale.scorer(), "planted")


def test_it_is_due_a_while_after_anything_was_published(stale: TrainedModel) -> None:
    record = pack(stale, NOW)
    registry = Registry({record.version: record}, [])
    assert not is_due(registry, NOW + timedelta(days=6.9), 7.0)
    assert is_due(registry, NOW + timedelta(days=7), 7.0)
    assert not is_due(registry, NOW + timedelta(days=700), 0.0), "0: never"
    tried = (NOW + timedelta(days=7)).timestamp()
    assert not is_due(registry, NOW + timedelta(days=13), 7.0, tried), (
        "nothing came of it, and is not tried every night"
    )
    assert is_due(registry, NOW + timedelta(days=14), 7.0, tried)
    assert is_due(Registry({}, [ModelPromoted(id="p", tenant="*", at=NOW, version="m", why="")]), NOW, 7.0)
