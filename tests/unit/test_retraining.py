"""Retraining: fresh beats stale where that is so, nothing happens where nothing is known, and only when it is due."""

from datetime import UTC, datetime, timedelta

import pytest

from agents.model import LightGbmScorer, TrainedModel
from agents.parcel import pack
from agents.registry import Registry
from agents.retention import JUDGED_DAYS, kept_days, label_in_force, needed_days, too_short
from agents.retraining import is_due, retrained
from agents.snapshots import ActivityLog
from agents.train import train
from agents.windows import TooLittleData, windows
from schemas.policies import ModelPromoted
from streams.features import DAY
from streams.labels import Label
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
    assert trial.compared.champion == stale.manifest.version
    assert trial.compared.verdict.promote
    low, mean, high = trial.compared.verdict.difference
    assert low < mean < high < 0, "surely better"
    assert trial.model is not None
    assert trial.model.manifest.trained.last.timestamp() == pytest.approx(LOG.end, abs=1)
    assert trial.model.manifest.label == stale.manifest.label
    assert f"it beats {stale.manifest.version}" in trial.why


def test_stages_move_unasked_only_where_a_season_moves_them(stale: TrainedModel) -> None:
    """The same champion, a level too low: as last year's season had put it there, and as nobody had."""
    raised = {"calibration": stale.manifest.calibration.shifted(-2.5)}
    by_season, by_nobody = (
        LightGbmScorer(stale.text, stale.manifest.model_copy(update=raised | {"season": season}))
        for season in (-2.5, 0.0)
    )
    refused = retrained(LOG, POLICY, by_nobody, "planted")
    assert refused.model is None
    assert refused.why.startswith("moves the volume of "), refused.why
    assert retrained(LOG, POLICY, by_season, "planted").model is not None


@pytest.mark.parametrize("horizon", [7.0, 30.0, 90.0])
def test_the_days_that_are_said_to_be_needed_are_those_that_are(horizon: float) -> None:
    label = Label(horizon_days=horizon, eligible_days=90)
    first = LOG.end - needed_days(label) * DAY
    for days, enough in ((-0.1, False), (0.1, True)):
        log = ActivityLog.read(EVENTS[-1:], POLICY)
        log.start, log.end = first - days * DAY, LOG.end
        cut = log.last_judged(label) - JUDGED_DAYS * DAY
        if enough:
            assert windows(log, label, cut).train
        else:
            with pytest.raises(TooLittleData):
                windows(log, label, cut)


def test_an_inbox_that_is_deleted_too_early_is_told_with_the_remedy(stale: TrainedModel) -> None:
    assert needed_days(LABEL) == pytest.approx(98)
    assert kept_days({"retention.ms": "2592000000"}) == 30.0
    assert kept_days({"retention.ms": "-1"}) is None
    assert kept_days({}) is None
    told = too_short("a.lead.events", 30.0, LABEL)
    assert told is not None
    assert told.startswith("a.lead.events is kept 30 days; training anew from it needs 98 ")
    assert "--entity-name a.lead.events --add-config retention.ms=34560000000" in told
    assert "topics create --keep-days 400" in told
    assert too_short("a", 98.0, LABEL) is None
    assert too_short("a", None, LABEL) is None
    record = pack(stale, NOW)
    assert label_in_force(Registry({record.version: record}, [])) == Label()
    promoted = ModelPromoted(id="p", tenant="*", at=NOW, version=record.version, why="")
    assert label_in_force(Registry({record.version: record}, [promoted])) == stale.manifest.label


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
