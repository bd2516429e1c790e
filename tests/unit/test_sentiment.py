"""The mood of messages: read where the policy names its language, the same online and in training."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.library import Library
from agents.logged import LoggedEvent
from agents.sentiment import LONGEST, reader_of
from agents.settings import LeadSettings
from agents.snapshots import ActivityLog
from streams.env import EVERYONE, Env
from streams.labels import Label
from streams.lead import Partition, fold
from streams.risk import RuleScorer
from streams.vector import COLUMN, vectors
from tests.worlds import START, message, policy

READ = reader_of("en")
assert READ is not None
GOOD, BAD, FLAT = (
    "Thanks, that is wonderful, we love it!",
    "I am really disappointed, this is terrible.",
    "Tuesday at 5?",
)


def test_english_is_read_and_what_says_nothing_is_no_mood() -> None:
    assert READ is not None
    assert READ(BAD) < 0.3
    assert READ(GOOD) > 0.7
    assert READ("not good at all") < 0.5 < READ("not bad at all")
    assert math.isnan(READ(FLAT))
    assert math.isnan(READ(""))
    assert READ(BAD + " " * LONGEST + GOOD) == READ(BAD), "only the beginning is read"
    assert reader_of(None) is None


@given(st.text(max_size=600))
def test_any_text_has_a_mood_or_none(text: str) -> None:
    assert READ is not None
    mood = READ(text)
    assert math.isnan(mood) or 0 <= mood <= 1
    assert READ(text) == mood or math.isnan(mood)


def _mood(language: str | None, **fields: Any) -> float:
    """The mood of a lead after one message, as its model sees it."""
    rules = policy({"language": language} if language else {})
    world = Env({"": {EVERYONE: rules}}, {"": RuleScorer()}, moods={"en": READ} if READ else {})
    body = {"type": "message_received", "id": "e", "tenant": "acme", "lead": "L1", "at": START.isoformat(), **fields}
    partition = Partition(0)
    assert not fold(partition, [message(0, body, START)], world).rejected
    row = partition.table.rows[:1]
    mood = float(vectors(row, np.array([START.timestamp()]))[0, COLUMN["mood"]])
    log = [LoggedEvent(int(START.timestamp() * 1000), b"acme:L1", json.dumps({"v": 1, **body}).encode())]
    trained = ActivityLog.read(log, rules)
    (shot,) = trained.snapshots([START.timestamp() + 1], Label(horizon_days=30))
    assert shot.x[0, COLUMN["mood"]] == mood or (math.isnan(mood) and math.isnan(shot.x[0, COLUMN["mood"]]))
    return mood


def test_a_message_is_read_only_where_the_policy_names_the_language() -> None:
    assert _mood("en", text=BAD) == pytest.approx(READ(BAD) if READ else 0, abs=1e-6)
    assert math.isnan(_mood(None, text=BAD))
    assert math.isnan(_mood("en", text=FLAT))
    assert math.isnan(_mood("en"))
    assert _mood("en", text=BAD, mood=0.9) == pytest.approx(0.9, abs=1e-6), "the sender knows better"
    assert _mood(None, mood=0.25) == pytest.approx(0.25, abs=1e-6)


def test_the_text_of_a_review_counts_beside_its_stars() -> None:
    assert READ is not None
    review = {"type": "review_posted", "stars": 4}
    assert _mood("en", **review) == pytest.approx(0.75, abs=1e-6)
    assert _mood("en", text=FLAT, **review) == pytest.approx(0.75, abs=1e-6), "a text without a mood changes nothing"
    assert _mood("en", text=BAD, **review) == pytest.approx((0.75 + READ(BAD)) / 2, abs=1e-6)
    assert _mood(None, text=BAD, **review) == pytest.approx(0.75, abs=1e-6), "nobody reads where no language is named"


def test_a_worker_reads_what_its_policies_name(tmp_path: Any) -> None:
    file = tmp_path / "p.toml"
    plain = LeadSettings().policy.read_text(encoding="utf-8")
    file.write_text(plain.replace('version = "1"', 'version = "1"\nlanguage = "en"', 1))
    assert Library(LeadSettings()).env.moods == {}
    moods = Library(LeadSettings(policy=file)).env.moods
    assert moods["en"](BAD) < 0.3
