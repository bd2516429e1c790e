"""Two models on the same snapshots, later than what either has seen."""

import numpy as np
import pytest

from agents.cli.contest import told
from agents.compare import BATCH, TURNS, Compared, hold_against, paces
from agents.model import TrainedModel
from agents.snapshots import ActivityLog
from agents.train import train
from agents.windows import TooLittleData
from schemas.errors import ModelInvalid
from streams.features import DAY, Floats
from streams.promotion import Held
from streams.risk import RuleScorer
from tests.planted import LABEL, POLICY, START, planted_log

THRESHOLDS = (0.3, 0.6, 0.8)
LOG = ActivityLog.read(planted_log(), POLICY)


def trained(day: int) -> TrainedModel:
    """On what was known by that day of the log."""
    return train(LOG, LABEL, until=START.timestamp() + day * DAY, name="planted")


@pytest.fixture(scope="module")
def old() -> TrainedModel:
    """Trained early."""
    return trained(180)


@pytest.fixture(scope="module")
def new() -> TrainedModel:
    """Trained later."""
    return trained(230)


def test_a_model_is_better_than_the_rule_and_says_so(new: TrainedModel) -> None:
    compared = hold_against(RuleScorer(), new.scorer(), LOG, THRESHOLDS, volumes_may_move=True)
    assert compared.verdict.promote, compared.verdict.refusals
    text = told(compared)
    assert max(map(len, text.splitlines())) <= 80
    assert "better: it may be promoted" in text
    assert f"{new.manifest.version} against rule-2" in text
    moved = hold_against(RuleScorer(), new.scorer(), LOG, THRESHOLDS)
    assert "--volumes-may-move" in moved.verdict.refusals[0]
    assert "not to be promoted:" in told(moved)


def test_both_are_judged_only_on_what_came_after_both(old: TrainedModel, new: TrainedModel) -> None:
    for champion, challenger in ((old, new), (new, old)):
        compared = hold_against(champion.scorer(), challenger.scorer(), LOG, THRESHOLDS)
        assert compared.times[0] == new.manifest.trained.last.timestamp()
        assert compared.times[-1] <= LOG.last_judged(LABEL)
    there = hold_against(old.scorer(), new.scorer(), LOG, THRESHOLDS)
    again = hold_against(old.scorer(), new.scorer(), LOG, THRESHOLDS)
    assert timeless(there) == timeless(again), "the same twice"


def timeless(compared: Compared) -> Compared:
    """All but what was measured, which differs."""
    return compared._replace(verdict=compared.verdict._replace(pace=None))


class Counting(RuleScorer):
    """Notes how many rows it was asked for each time."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def score(self, x: Floats) -> Floats:
        """As the rule does."""
        self.asked.append(len(x))
        return super().score(x)


@pytest.mark.parametrize("rows", [1, 300, 20 * BATCH])
def test_both_are_timed_on_the_same_rows_in_turns(rows: int) -> None:
    x = np.concatenate([shot.x for shot in LOG.snapshots([START.timestamp() + 200 * DAY], LABEL)])
    one, other = Counting(), Counting()
    pace = paces(one, other, np.resize(x, (rows, x.shape[1])))
    assert pace is not None
    assert min(pace) > 0
    assert one.asked == other.asked == [min(rows, BATCH)] * (TURNS + 1)
    assert paces(one, other, x[:0]) is None


def test_the_time_is_told_and_a_slow_challenger_refused(new: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = hold_against(RuleScorer(), new.scorer(), LOG, THRESHOLDS, volumes_may_move=True)
    assert "us to score a row" in told(compared)
    monkeypatch.setattr("agents.compare.paces", lambda *_: Held(1.0, 50.0))
    slow = hold_against(RuleScorer(), new.scorer(), LOG, THRESHOLDS, volumes_may_move=True)
    assert [why.split(":")[0] for why in slow.verdict.refusals] == ["slower"]
    assert "scores a row in 50.0 us, the champion in 1.0" in told(slow)


def test_what_cannot_be_compared_is_refused_in_words(old: TrainedModel, new: TrainedModel) -> None:
    with pytest.raises(ModelInvalid, match="in force already"):
        hold_against(new.scorer(), new.scorer(), LOG, THRESHOLDS)
    longer = old.manifest.model_copy(update={"label": LABEL.model_copy(update={"horizon_days": 60.0})})
    with pytest.raises(ModelInvalid, match="different definitions"):
        hold_against(old._replace(manifest=longer).scorer(), new.scorer(), LOG, THRESHOLDS)
    past = ActivityLog.read([e for e in planted_log() if e.at_ms / 1000 < START.timestamp() + 240 * DAY], POLICY)
    with pytest.raises(TooLittleData, match=r"needs 30 days more, the log ends at 2024-08-2"):
        hold_against(old.scorer(), new.scorer(), past, THRESHOLDS)
