"""Two models in force, each of a share of the leads: each is graded by what it told itself, and of nobody else."""

import json

import numpy as np

from agents.grading import Version, grades, remember
from agents.remembered import Remembered
from schemas import topics
from streams.ids import bucket
from tests.planted import LABEL, POLICY
from tests.unit.test_grade import EVENTS, MODEL, assessments

GOOD, BAD = MODEL.manifest.version, "m-20240811-bad0000000"
SHARE = 3_000
"""Of 10,000."""


def _of_bad(lead: str) -> bool:
    return bucket("rollout", "t", lead) < SHARE


def _told() -> list[bytes]:
    """A third of the leads are judged by a version that tells nearly everybody a high risk."""
    out = []
    for value in assessments():
        body = json.loads(value)
        if _of_bad(body["lead"]):
            body |= {"model_version": BAD, "probability": 0.6 + 0.4 * body["probability"]}
        out.append(json.dumps(body).encode())
    return out


def test_each_version_answers_for_its_own_leads() -> None:
    memory = Remembered(None, lambda _: POLICY)
    remember(memory, topics.EVENTS, (event.value for event in EVENTS))
    remember(memory, topics.ASSESSMENTS, _told())
    found = grades(memory, {GOOD: Version(LABEL, 0.3), BAD: Version(LABEL, 0.3)})
    alone = Remembered(None, lambda _: POLICY)
    remember(alone, topics.EVENTS, (event.value for event in EVENTS))
    remember(alone, topics.ASSESSMENTS, assessments())
    (whole,) = grades(alone, {GOOD: Version(LABEL, 0.3)}).values()
    assert found[GOOD].rows + found[BAD].rows == whole.rows, "nobody is judged twice, nobody is left out"
    assert 0.2 < found[BAD].rows / whole.rows < 0.4
    assert found[BAD].verdict == "fall back", found[BAD].why
    assert found[GOOD].verdict == "keep", found[GOOD].why
    told = memory.told(BAD)
    assert np.all(told.p[told.mine] >= 0.6)
