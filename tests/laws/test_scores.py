"""What a score may not depend on: the year, the names of leads, the order of arrival, whether it came by batch or stream."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
import pytest

from agents.agreement import TOLERANCE, agreement
from agents.eventlog import LoggedEvent
from agents.model import TrainedModel
from agents.snapshots import ActivityLog
from agents.train import train
from streams.env import EVERYONE, Env
from streams.features import DAY, Floats
from streams.lead import Message, fold
from streams.partition import Partition
from streams.risk import RuleScorer
from streams.vector import vectors
from tests.planted import LABEL, POLICY, START, planted_log

EVENTS = planted_log(leads=400, seed=5)
CUT = START.timestamp() + 240 * DAY
WEEKS = 52 * 7 * DAY


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    """Trained on the log as it is."""
    return train(ActivityLog.read(EVENTS, POLICY), LABEL, CUT)


def scores(events: list[LoggedEvent], model: TrainedModel, at: float) -> dict[bytes, float]:
    """Key -> probability of everybody who is judged at a time."""
    log = ActivityLog.read(events, POLICY)
    shot = next(log.snapshots([at], LABEL))
    return {log.keys[i]: p for i, p in zip(shot.leads.tolist(), model.scorer().score(shot.x).tolist(), strict=True)}


def changed(change: Callable[[dict[str, object]], dict[str, object]], shift_s: float = 0.0) -> list[LoggedEvent]:
    """The log with every body changed."""
    out = []
    for event in EVENTS:
        body = change(json.loads(event.value))
        key = f"{body['tenant']}:{body['lead']}".encode()
        out.append(LoggedEvent(event.at_ms + round(shift_s * 1000), key, json.dumps(body).encode()))
    return out


def later(body: dict[str, object]) -> dict[str, object]:
    """52 weeks later."""
    return body | {"at": (datetime.fromisoformat(str(body["at"])) + timedelta(seconds=WEEKS)).isoformat()}


def test_the_year_does_not_matter(model: TrainedModel) -> None:
    shifted = changed(later, WEEKS)
    again = train(ActivityLog.read(shifted, POLICY), LABEL, CUT + WEEKS)
    before = scores(EVENTS, model, CUT)
    for trained in (model, again):
        after = scores(shifted, trained, CUT + WEEKS)
        assert after.keys() == before.keys()
        assert max(abs(after[key] - p) for key, p in before.items()) <= TOLERANCE


def test_names_do_not_matter(model: TrainedModel) -> None:
    renamed = changed(lambda body: body | {"lead": f"somebody-{str(body['lead'])[::-1]}", "id": f"x-{body['id']}"})
    again = train(ActivityLog.read(renamed, POLICY), LABEL, CUT)
    before = scores(EVENTS, model, CUT)
    for trained in (model, again):
        after = scores(renamed, trained, CUT)
        assert len(after) == len(before) > 100
        for key, p in before.items():
            assert abs(after[b"t:somebody-" + key.removeprefix(b"t:")[::-1]] - p) <= TOLERANCE


def test_nor_where_leads_are_told_apart_to_calibrate() -> None:
    """A log too short for two embargoes: which fifth a lead is in hangs neither on its name nor on the year."""
    long = LABEL.model_copy(update={"horizon_days": 100.0})
    before = train(ActivityLog.read(EVENTS, POLICY), long).manifest
    assert before.trained.apart == "leads"
    names = changed(lambda body: body | {"lead": f"somebody-{str(body['lead'])[::-1]}", "id": f"x-{body['id']}"})
    for log in (names, changed(later, WEEKS)):
        after = train(ActivityLog.read(log, POLICY), long).manifest
        assert after.calibration == before.calibration


def test_the_order_of_arrival_does_not_matter(model: TrainedModel) -> None:
    """Events of the same ten days in any order: the same scores as in the order in which they happened."""
    known = [event for event in EVENTS if event.at_ms / 1000 < CUT]
    rng = np.random.default_rng(9)
    mixed: list[LoggedEvent] = []
    for _, some in groupby(known, key=lambda e: int((e.at_ms / 1000 - START.timestamp()) // (10 * DAY))):
        group = list(some)
        mixed += [group[i] for i in rng.permutation(len(group)).tolist()]
    assert mixed != known
    one, other = streamed(known, model), streamed(mixed, model)
    assert one.keys() == other.keys()
    assert max(abs(one[key] - other[key]) for key in one) <= TOLERANCE


def streamed(events: list[LoggedEvent], model: TrainedModel) -> dict[bytes, float]:
    """Key -> probability at the cut, of all leads, after a fold in this order."""
    partition, env = Partition(0), Env({"": {EVERYONE: POLICY}}, {"": RuleScorer()})
    arrived = max(event.at_ms for event in events)
    fold(partition, [Message(i, arrived, e.key, e.value) for i, e in enumerate(events)], env)
    keys = sorted(partition.table.index)
    rows = partition.table.rows[[partition.table.index[key] for key in keys]]
    x: Floats = vectors(rows, np.full(len(keys), CUT))
    return dict(zip(keys, model.scorer().score(x).tolist(), strict=True))


def test_batch_and_stream_agree(model: TrainedModel) -> None:
    found = agreement(EVENTS, POLICY, model.scorer(), CUT)
    assert found.leads > 300
    assert found.agree


@pytest.mark.parametrize("hours", [5 * 24, -2])
def test_batch_and_stream_agree_on_what_was_known_late_or_dated_ahead(hours: int) -> None:
    """By whatever time it is asked: what was not known by then counts for neither."""
    late = [one._replace(timestamp_ms=one.at_ms + hours * 3_600_000 * (i % 3)) for i, one in enumerate(EVENTS)]
    for at in (CUT, max(one.known_ms + 1 for one in late) / 1000):
        found = agreement(late, POLICY, RuleScorer(), at)
        assert found.leads > 300
        assert found.agree, found


def test_a_difference_between_batch_and_stream_is_found(model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that overlooks one event of a hundred."""

    def careless(partition: Partition, messages: Sequence[Message], env: Env) -> object:
        return fold(partition, [m for m in messages if m.offset % 100], env)

    monkeypatch.setattr("agents.agreement.fold", careless)
    found = agreement(EVENTS, POLICY, model.scorer(), CUT)
    assert not found.agree
    assert found.feature_apart >= 1
    assert found.score_apart > 0.01
