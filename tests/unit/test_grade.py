"""A version grades itself by the log: one that told the truth stays, one whose risks are wrong does not."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from agents.evaluation import evaluate
from agents.grading import Version, grades
from agents.logged import LoggedEvent
from agents.snapshots import ActivityLog
from agents.train import train
from schemas import topics
from streams.env import EVERYONE, Env
from streams.features import DAY
from streams.grade import Grade, Told, standing
from streams.lead import Message
from streams.replay import replay
from tests.planted import DAYS, LABEL, POLICY, START, planted_log

EVENTS = planted_log()
CUT = START.timestamp() + 240 * DAY
MODEL = train(ActivityLog.read(EVENTS, POLICY), LABEL, CUT)


def tick(day: int) -> LoggedEvent:
    """Time passes."""
    at = START.timestamp() + day * DAY
    body = {
        "v": 1,
        "type": "tick",
        "id": f"tick-{day}",
        "partition": 0,
        "at": datetime.fromtimestamp(at, UTC).isoformat(),
    }
    return LoggedEvent(round(at * 1000), b"@tick", json.dumps(body).encode())


@cache
def assessments() -> tuple[bytes, ...]:
    """What the model told from the cut on, live: events and a tick a day."""
    log = sorted([*EVENTS, *(tick(day) for day in range(1, DAYS))], key=lambda e: e.at_ms)
    messages = [Message(i, e.at_ms, e.key, e.value) for i, e in enumerate(log)]
    told = replay({0: messages}, Env({"": {EVERYONE: POLICY}}, {"": MODEL.scorer()}), 500).outputs
    values = (out.value for out in told if out.topic == topics.ASSESSMENTS.name and out.value)
    return tuple(v for v in values if datetime.fromisoformat(json.loads(v)["at"]).timestamp() >= CUT - 14 * DAY)


def graded(values: Sequence[bytes], events: Sequence[LoggedEvent] = EVENTS) -> Grade:
    """The grade of the one version there is."""
    (one,) = grades(events, values, {MODEL.manifest.version: Version(LABEL, 0.3)}, POLICY).values()
    return one


def test_a_version_that_told_the_truth_stays() -> None:
    one = graded(assessments())
    assert one.verdict == "keep", one.why
    tested = evaluate(MODEL.scorer(), ActivityLog.read(EVENTS, POLICY), [CUT, CUT + 28 * DAY]).overall
    assert one.measures["auc"] == pytest.approx(tested.model["auc"], abs=0.05)
    assert [stage.stage for stage in one.stages] == sorted(stage.stage for stage in one.stages)
    assert one.stages[0].seen < one.stages[-1].seen
    assert one.warned is not None


def test_garbage_in_the_inbox_is_no_obstacle() -> None:
    garbage = LoggedEvent(EVENTS[0].at_ms, b"t:L0", b"{}")
    assert graded(assessments(), [*EVENTS, garbage]) == graded(assessments())


def test_a_version_whose_risks_are_wrong_has_to_go() -> None:
    def wrong(value: bytes) -> bytes:
        body = json.loads(value)
        return json.dumps(body | {"probability": min(1.0, 0.35 + 0.65 * body["probability"])}).encode()

    one = graded([wrong(v) for v in assessments()])
    assert one.verdict == "fall back"
    assert "beyond chance" in one.why


def test_of_little_nothing_is_said() -> None:
    few = {json.loads(v)["lead"] for v in assessments()[:20]}
    one = graded([v for v in assessments() if json.loads(v)["lead"] in few])
    assert one.verdict == "too early"
    assert not one.measures


def test_what_another_version_told_is_left_out() -> None:
    assert grades(EVENTS, assessments(), {"m-other": Version(LABEL, 0.3)}, POLICY) == {}


def test_what_stands_is_the_newest_before() -> None:
    told = Told(np.array([0, 1, 0]), np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3]), np.array([0, 0, 1]))
    assert standing(told, 3, 3.0).tolist() == [0, 1, -1]
    assert standing(told, 3, 3.5).tolist() == [2, 1, -1]


def test_a_rise_tells_when_the_lead_will_be_lost() -> None:
    """A band and an interval, by the model of time to churn that goes with the version; live as in batch."""
    assert MODEL.manifest.hazard is not None
    rises = [body for body in map(json.loads, assessments()) if body.get("insight")]
    assert len(rises) > 20
    for body in rises:
        told = body["insight"]["churn"]
        assert told["band"] in {"<7", "7-14", "14-30", ">30"}
        if told["latest_days"] is not None:
            assert 0 <= told["earliest_days"] <= told["latest_days"]
    assert len({body["insight"]["churn"]["band"] for body in rises}) > 1
