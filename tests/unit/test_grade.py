"""A version grades itself by the log: one that told the truth stays, one whose risks are wrong does not."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pytest

from agents.evaluation import evaluate
from agents.grade_report import in_words
from agents.grading import Version, grades, remember, versions_of
from agents.logged import LoggedEvent
from agents.remembered import Remembered
from agents.snapshots import ActivityLog
from agents.train import train
from schemas import topics
from streams.env import EVERYONE, Env
from streams.features import DAY
from streams.grade import Grade, Seen, Told, judgements, standing
from streams.holdout import held_out
from streams.lead import Message
from streams.policy import Policy
from streams.replay import replay
from streams.risk import RuleScorer
from streams.thresholds import Holdout
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


def remembered(values: Sequence[bytes], events: Sequence[LoggedEvent] = EVENTS, policy: Policy = POLICY) -> Remembered:
    """Notes of all this."""
    memory = Remembered(None, lambda _: policy)
    remember(memory, topics.EVENTS, (event.value for event in events))
    remember(memory, topics.ASSESSMENTS, values)
    return memory


def graded(values: Sequence[bytes], events: Sequence[LoggedEvent] = EVENTS) -> Grade:
    """The grade of the one version there is."""
    (one,) = grades(remembered(values, events), {MODEL.manifest.version: Version(LABEL, 0.3)}).values()
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
    assert "at least" in one.why


def contacted(values: Sequence[bytes], holdout: float) -> Grade:
    """The grade where messages went out in that time, to leads that are not held out."""
    memory = remembered(values, policy=POLICY.model_copy(update={"holdout": Holdout(share=holdout)}))
    one = json.loads(values[len(values) // 2])
    remember(memory, topics.DECISIONS, [json.dumps(one | {"verdict": "sent"}).encode()])
    (graded,) = grades(memory, {MODEL.manifest.version: Version(LABEL, 0.3)}).values()
    return graded


def told_as(change: Callable[[dict[str, Any]], float]) -> list[bytes]:
    """Assessments with other probabilities."""
    bodies = [json.loads(value) for value in assessments()]
    return [json.dumps(body | {"probability": change(body)}).encode() for body in bodies]


def test_where_messages_go_out_the_verdict_rests_on_who_gets_none() -> None:
    """Those who were contacted may have stayed because of it: their risks look too high and may be right."""
    rule = Holdout(share=0.5)

    def higher_unless_held(body: dict[str, Any]) -> float:
        held = held_out(rule, body["tenant"], body["lead"])
        return float(body["probability"] if held else min(1.0, 0.35 + 0.65 * body["probability"]))

    values = told_as(higher_unless_held)
    assert graded(values).verdict == "fall back"
    one = contacted(values, 0.5)
    assert one.verdict == "keep", one.why
    assert "judgements of held-out leads" in one.why
    everybody = told_as(lambda body: min(1.0, 0.35 + 0.65 * body["probability"]))
    assert contacted(everybody, 0.5).verdict == "fall back"


def test_without_enough_held_out_leads_only_what_contacting_cannot_explain_counts() -> None:
    higher = told_as(lambda body: min(1.0, 0.35 + 0.65 * body["probability"]))
    assert contacted(higher, 0.0).verdict == "keep"
    lower = contacted(told_as(lambda body: body["probability"] / 3), 0.0)
    assert lower.verdict == "fall back"
    assert "among all, contacted or not" in lower.why


def test_segments_are_told_with_their_false_alarms() -> None:
    one = graded(assessments())
    kinds = {(s.kind, s.name) for s in one.segments}
    assert ("tenant", "t") in kinds
    assert sum(s.rows for s in one.segments if s.kind == "tenant") == one.rows
    assert 0 < sum(s.rows for s in one.segments if s.kind == "age") <= one.rows
    whole = next(s for s in one.segments if s.kind == "tenant")
    warned = sum(s.rows for s in one.stages if s.stage)
    alarms = sum(s.rows * s.false_alarms for s in one.stages if s.stage)
    assert whole.false_alarms == pytest.approx(alarms / warned)
    assert whole.warned == pytest.approx(warned / one.rows)
    assert whole.lift is not None
    assert whole.lift > 1.2


def test_of_little_nothing_is_said() -> None:
    few = {json.loads(v)["lead"] for v in assessments()[:20]}
    one = graded([v for v in assessments() if json.loads(v)["lead"] in few])
    assert one.verdict == "too early"
    assert not one.measures


def test_what_another_version_told_is_left_out() -> None:
    assert grades(remembered(assessments()), {"m-other": Version(LABEL, 0.3)}) == {}


def test_where_no_model_is_known_the_rule_is_asked_about_its_own_horizon() -> None:
    by_rule = [
        json.dumps(json.loads(value) | {"model_version": RuleScorer.version}).encode() for value in assessments()
    ]
    known = versions_of([])
    found = grades(remembered(by_rule), known)
    assert list(found) == [RuleScorer.version]
    one = found[RuleScorer.version]
    assert one.rows > 500
    assert one.asked == "no sign of life within 30 days, of leads with a sign of life in the last 30 days"
    assert any("within 30 days" in line for line in in_words(RuleScorer.version, one))
    assert versions_of([MODEL.manifest])[RuleScorer.version].label == MODEL.manifest.label, "else the newest model's"


def test_what_stands_is_the_newest_before() -> None:
    told = Told(
        np.array([0, 1, 0]), np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3]), np.array([0, 0, 1]),
        np.array([True, True, False]),
    )  # fmt: skip
    assert standing(told, 3, 3.0).tolist() == [0, 1, -1]
    assert standing(told, 3, 3.5).tolist() == [2, 1, -1]
    looks = [Seen(t, np.arange(3), np.array([True, False, True])) for t in (3.0, 3.5)]
    assert judgements(told, looks, 3).p.tolist() == [0.1, 0.2, 0.2], "what another version has told since is its own"


def test_a_rise_tells_when_the_lead_will_be_lost() -> None:
    """A band and an interval, by the model of time to churn that goes with the version; live as in batch."""
    assert MODEL.manifest.hazard is not None
    rises = [body for body in map(json.loads, assessments()) if body.get("insight") and body["stage"] != "none"]
    assert len(rises) > 20
    for body in rises:
        told = body["insight"]["churn"]
        assert told["band"] in {"<7", "7-14", "14-30", ">30"}
        assert body["time_to_churn"] == told["band"], "one record, one answer"
        if told["latest_days"] is not None:
            assert 0 <= told["earliest_days"] <= told["latest_days"]
    assert len({body["insight"]["churn"]["band"] for body in rises}) > 1
