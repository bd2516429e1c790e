"""Training on a planted log: finds the signal, looks at no future, repeats itself; a saved model is checked."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.boosting import lightgbm
from agents.model import MANIFEST_FILE, MODEL_FILE, LightGbmScorer, TrainedModel, load, sealed
from agents.model_card import card
from agents.snapshots import ActivityLog, Snapshot
from agents.time_to_churn import Watch
from agents.train import evaluate, train
from agents.windows import TooLittleData, windows
from schemas.errors import ModelInvalid
from streams.env import EVERYONE, Env
from streams.features import DAY, Batch, FeatureTable, Floats, Rows, fold_wave
from streams.grounds import Ground, Grounds, grounds_of
from streams.ids import fingerprint
from streams.labels import Label, Moments, healthy_horizon
from streams.lead import Message, fold
from streams.partition import Partition
from streams.risk import FAMILIES, RuleScorer, Scorer
from streams.vector import NAMES, vectors
from streams.vocabulary import Family
from tests.planted import DAYS, LABEL, POLICY, START, ShuffledLog, planted_log

EVENTS = planted_log()
LOG = ActivityLog.read(EVENTS, POLICY)
CUT = START.timestamp() + 240 * DAY


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    """Trained on the first 240 of 330 days, tested on the rest."""
    return train(LOG, LABEL, until=CUT, name="planted")


@pytest.fixture(scope="module")
def scorer(model: TrainedModel) -> LightGbmScorer:
    """The model at work."""
    return model.scorer()


@pytest.fixture(scope="module")
def x() -> Floats:
    """Feature rows of all leads at the cut."""
    return next(LOG.snapshots([CUT], LABEL)).x


def test_it_finds_the_planted_signal_and_beats_recency_alone(model: TrainedModel) -> None:
    tested = model.manifest.tested
    assert tested is not None
    assert tested.model["auc"] > tested.recency["auc"] + 0.01
    assert tested.model["log_loss"] < tested.recency["log_loss"] < tested.base_log_loss
    assert tested.window.first.timestamp() == CUT


def test_no_label_or_feature_of_training_reaches_past_the_cut(model: TrainedModel) -> None:
    """A log cut off at the cut gives the same model, byte for byte; only the test is missing."""
    past = ActivityLog.read([e for e in EVENTS if e.at_ms / 1000 < CUT], POLICY)
    past.end = CUT
    blind = train(past, LABEL, until=CUT, name="planted")
    assert blind.text == model.text
    assert blind.manifest.version == model.manifest.version, "what came later does not make it another model"
    assert blind == sealed(model._replace(manifest=model.manifest.model_copy(update={"tested": None})))
    assert blind.hazard == model.hazard


def test_the_windows_keep_their_distance() -> None:
    for until in (None, CUT):
        plan = windows(LOG, LABEL, until)
        assert plan.calibrate[0] - plan.train[-1] >= LABEL.reach
        assert plan.test[0] - plan.calibrate[-1] >= LABEL.reach
        assert plan.test[-1] <= LOG.last_judged(LABEL)
        assert plan.train == tuple(sorted(plan.train))


def test_fates_that_are_learned_from_end_where_the_calibration_begins(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are watched for a quarter more than the embargo lasts."""
    seen: list[tuple[float, float]] = []
    real = Watch.rows

    def rows(self: Watch, shots: Sequence[Snapshot], known: float) -> Any:
        seen.append((shots[-1].t, known))
        return real(self, shots, known)

    monkeypatch.setattr(Watch, "rows", rows)
    assert train(LOG, LABEL, until=CUT, name="planted").hazard == model.hazard
    begin = windows(LOG, LABEL, CUT).calibrate[0]
    (last, known), (later, end), *_ = seen
    assert last < known == begin <= later < end


def test_snapshots_are_what_the_streaming_fold_knows(x: Floats) -> None:
    """The same vectors, bit for bit, whether the log went through the fold in rounds or through training in one go."""
    partition, env = Partition(0), Env({"": {EVERYONE: POLICY}}, {"": RuleScorer()})
    messages = [Message(i, e.at_ms, e.key, e.value) for i, e in enumerate(EVENTS) if e.at_ms / 1000 < CUT]
    for start in range(0, len(messages), 97):
        fold(partition, messages[start : start + 97], env)
    shot = next(LOG.snapshots([CUT], LABEL))
    rows = [partition.table.index[LOG.keys[lead]] for lead in shot.leads.tolist()]
    online = vectors(partition.table.rows[rows], np.full(len(rows), CUT))
    assert online.tobytes() == x.tobytes() == shot.x.tobytes()


def test_what_arrived_late_was_not_known_yet() -> None:
    """An event of yesterday that is told tomorrow is no feature today, however old it is."""
    late = [e._replace(timestamp_ms=e.at_ms + 5 * 86_400_000) for e in EVENTS]
    log = ActivityLog.read(late, POLICY)
    now, before = next(log.snapshots([CUT], LABEL)), next(LOG.snapshots([CUT - 5 * DAY], LABEL))
    common = [lead for lead in now.leads.tolist() if lead in set(before.leads.tolist())]
    events = NAMES.index("events")
    known = dict(zip(now.leads.tolist(), now.x[:, events], strict=True))
    then = dict(zip(before.leads.tolist(), before.x[:, events], strict=True))
    assert len(common) > 50
    assert all(known[lead] == then[lead] for lead in common)


def test_training_repeats_itself_to_the_byte(model: TrainedModel) -> None:
    again = train(ActivityLog.read(EVENTS, POLICY), LABEL, until=CUT, name="planted")
    assert again == model


def test_a_row_alone_scores_as_among_others_to_the_bit(scorer: LightGbmScorer, x: Floats) -> None:
    together = scorer.score(x)
    assert together.tolist() == [float(scorer.score(x[i : i + 1])[0]) for i in range(len(x))]
    assert ((together > 0) & (together < 1)).all()
    assert scorer.effects(x[:7]).tolist() == [scorer.effects(x[i : i + 1])[0].tolist() for i in range(7)]
    assert scorer.forecasts(x[:7]) == [scorer.forecasts(x[i : i + 1])[0] for i in range(7)]
    assert scorer.score(x[:0]).shape == (0,)
    assert scorer.effects(x[:0]).shape == (0, len(FAMILIES))


def test_leads_are_explained_together_as_each_would_be_alone(scorer: LightGbmScorer) -> None:
    """Whatever else is looked at with them, and by whichever scorer: effects, forecast and the moment to compare with."""
    partition, env = Partition(0), Env({"": {EVERYONE: POLICY}}, {"": RuleScorer()})
    fold(partition, [Message(i, e.at_ms, e.key, e.value) for i, e in enumerate(EVENTS) if e.at_ms / 1000 < CUT], env)
    rows = partition.table.rows[:12]
    now = np.where(np.arange(12) % 3, CUT, rows["last"])  # of some the newest event is of this moment
    x, which = vectors(rows, now), np.arange(12) % 2
    scorers: list[Scorer] = [scorer, RuleScorer()]
    for i, found in enumerate(grounds_of(scorers, which, x, rows, now)):
        alone = Ground(Grounds(scorers[i % 2], x[i : i + 1], rows[i : i + 1], now[i : i + 1]), 0)
        assert found.effects.tobytes() == alone.effects.tobytes()
        assert found.forecast == alone.forecast
        assert (found.forecast is None) == bool(i % 2)
        assert (found.at_last is None) == (alone.at_last is None) == (i % 3 == 0)
        if found.at_last is not None and alone.at_last is not None:
            assert found.at_last[:2] == alone.at_last[:2]
            assert found.at_last.effects.tobytes() == alone.at_last.effects.tobytes()
            assert found.at_last.at == rows["last"][i]


@pytest.mark.parametrize("seed", [3, 4])
def test_shuffled_truth_teaches_nothing(seed: int) -> None:
    """The machinery itself must not know the answer: with labels dealt out anew, the AUC is that of a coin."""
    judged = train(ShuffledLog.read(EVENTS, POLICY).shuffled(seed), LABEL, until=CUT).manifest.tested
    assert judged is not None
    assert abs(judged.model["auc"] - 0.5) < 0.05


activity = st.tuples(
    st.sampled_from([int(f) for f in Family]), st.booleans(), st.floats(0.001, 60), st.integers(-5_000, 50_000),
    st.none() | st.floats(0, 1),
)  # fmt: skip


History = Sequence[tuple[int, bool, float, int, float | None]]


def lived(history: History) -> tuple[Rows, float]:
    """The row of a lead with such a past, and the time of its last event."""
    table, at = FeatureTable(1), START.timestamp()
    row = table.row_of(b"t:L")
    for nth, (family, key, gap, cents, mood) in enumerate(history):
        at += gap * DAY
        said = float("nan") if mood is None else mood
        batch = Batch([row], [at], [family], [key], [cents], [said], [fingerprint(f"{nth}")], [True])
        fold_wave(table, batch, np.zeros(1, np.int64))
    return table.rows[[row]], at


@given(st.lists(activity, min_size=1, max_size=25), st.floats(0, 400))
def test_reasons_sum_to_the_score(scorer: LightGbmScorer, history: History, silent_days: float) -> None:
    """Effects of all families and the bias are the log-odds before calibration."""
    row, at = lived(history)
    x = vectors(row, np.array([at + silent_days * DAY]))
    effects, bias = scorer.effects_and_bias(x)
    raw = scorer.raw(x)
    assert np.abs(effects.sum(axis=1) + bias - np.log(raw / (1 - raw))).max() < 1e-6


@given(st.lists(activity, min_size=1, max_size=25), st.lists(st.floats(0, 400), min_size=2, max_size=30))
def test_silence_never_lowers_the_risk(scorer: LightGbmScorer, history: History, ages: list[float]) -> None:
    row, at = lived(history)
    times = at + np.sort(np.array(ages)) * DAY
    p = scorer.score(vectors(np.repeat(row, len(times)), times))
    assert (np.maximum.accumulate(p) - p).max() <= 0.02


def test_saved_and_loaded_it_is_the_same(
    model: TrainedModel, scorer: LightGbmScorer, x: Floats, tmp_path: Path
) -> None:
    folder = model.save(tmp_path)
    loaded = load(folder)
    assert folder.name == loaded.version == model.manifest.version
    assert loaded.manifest == model.manifest
    assert loaded.score(x).tobytes() == scorer.score(x).tobytes()
    assert (loaded.method, loaded.version[:11]) == ("model", "m-20240828-")


def _change(folder: Path, key: str, value: object) -> None:
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    manifest[key] = value
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))


def test_what_was_tampered_with_is_refused(model: TrainedModel, tmp_path: Path) -> None:
    folder = model.save(tmp_path)
    text = (folder / MODEL_FILE).read_bytes()
    (folder / MODEL_FILE).write_bytes(text.replace(b"leaf_value=", b"leaf_value=9", 1))
    with pytest.raises(ModelInvalid, match=r"SHA-256.*again"):
        load(folder)
    model.save(tmp_path)
    _change(folder, "feature_schema", "0" * 16)
    with pytest.raises(ModelInvalid, match=r"feature schema 0000.*train again"):
        load(folder)
    model.save(tmp_path)
    knots = model.manifest.calibration.model_dump()
    _change(folder, "calibration", knots | {"probabilities": [1.0] * len(knots["scores"])})
    with pytest.raises(ModelInvalid, match="was changed"):
        load(folder)
    _change(folder, "colour", "blue")
    with pytest.raises(ModelInvalid, match="colour"):
        load(folder)
    (folder / MODEL_FILE).unlink()
    model_text = model.manifest.model_dump_json()
    (folder / MANIFEST_FILE).write_text(model_text)
    with pytest.raises(ModelInvalid, match=r"model\.txt is missing.*leadkeeper train"):
        load(folder)
    with pytest.raises(ModelInvalid, match="no model"):
        load(tmp_path / "nowhere")


def test_too_little_is_refused_in_words() -> None:
    with pytest.raises(TooLittleData, match=r"2024-01-.* days.*horizon_days"):
        train(LOG, LABEL.model_copy(update={"horizon_days": 200.0}))
    with pytest.raises(TooLittleData, match=r"leaves too little"):
        train(LOG, LABEL, until=START.timestamp() + 38 * DAY)
    few = ActivityLog.read([e for e in EVENTS if e.key in set(LOG.keys[:9])], POLICY)
    with pytest.raises(TooLittleData, match=r"500 rows are needed"):
        train(few, LABEL)
    with pytest.raises(TooLittleData, match="too little"):
        train(ActivityLog.read([], POLICY), LABEL)


def test_it_is_not_judged_where_the_truth_is_not_known_yet(scorer: LightGbmScorer) -> None:
    with pytest.raises(TooLittleData, match="no finished labels"):
        evaluate(scorer, LOG, [START.timestamp() + (DAYS - 10) * DAY])


def test_each_snapshot_can_be_judged_by_itself(scorer: LightGbmScorer) -> None:
    times = [CUT, CUT + 14 * DAY, CUT + 28 * DAY]
    judged = evaluate(scorer, LOG, times)
    assert sorted(judged.at) == times
    assert judged.overall.window.rows == sum(one.window.rows for one in judged.at.values())
    assert all(one.model["auc"] > 0.6 for one in judged.at.values())


def test_the_card_tells_it_in_80_columns(model: TrainedModel) -> None:
    text = card(model.manifest)
    assert max(map(len, text.splitlines())) <= 80
    tested = model.manifest.tested
    assert tested is not None
    figures = (f"{tested.model['auc']:.3f}", f"{tested.recency['log_loss']:.3f}")
    for told in (model.manifest.version, "within 30 days", "recency alone", *figures):
        assert told in text
    assert "Not tested" in card(model.manifest.model_copy(update={"tested": None}))


def test_lightgbm_came_without_its_heavy_friends() -> None:
    assert "sklearn" not in sys.modules
    assert lightgbm.compat.PANDAS_INSTALLED is False


def test_a_log_too_short_for_two_embargoes_tells_leads_apart_instead() -> None:
    long = LABEL.model_copy(update={"horizon_days": 100.0})
    plan = windows(LOG, long)
    assert (plan.apart, plan.train) == ("leads", plan.calibrate)
    assert plan.test[0] - plan.train[-1] >= long.reach
    tested = train(LOG, long).manifest.tested
    assert tested is not None
    assert tested.model["auc"] > 0.6


def test_leads_told_apart_do_not_vouch_for_themselves() -> None:
    """Truth dealt out anew: whoever is calibrated by what was learned from itself believes every score."""
    long = LABEL.model_copy(update={"horizon_days": 100.0})
    learned = train(ShuffledLog.read(EVENTS, POLICY).shuffled(3), long).manifest
    raw = learned.base_rate + np.array([-0.15, 0.15])
    low, high = learned.calibration.apply(raw)
    assert high - low < 0.15, "scores that mean nothing are told as the base rate"


def test_without_a_horizon_the_logs_own_gaps_give_it() -> None:
    label = Label(eligible_days=90.0)
    found = train(LOG, label, CUT).manifest.label.horizon_days
    known = LOG.life.before(CUT)
    gaps = healthy_horizon(Moments(LOG.life.leads[known], LOG.life.times[known]))
    assert found == gaps, "of the gaps known by then"
    assert 15 < found < 40, "gaps have a mean of 2 to 15 days"
