"""One message in a line: what it says, and nothing for what says nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from agents.timeline import NO_STAGE, tell
from tests.worlds import ROOT

ASSESSED = next((ROOT / "schemas/examples/lead.assessments").glob("*.json"))


def assessed(**changes: Any) -> tuple[str, str]:
    """The line of an assessment, and the note below."""
    entry = tell(json.loads(ASSESSED.read_text()) | changes)
    assert entry is not None
    return entry.text, entry.note


def test_a_high_risk_without_a_stage_is_explained() -> None:
    high = {
        "probability": 0.97,
        "level": "critical",
        "stage": "none",
        "previous_stage": "none",
        "reasons": [],
        "insight": None,
    }
    assert assessed(**high) == ("97 %  none", NO_STAGE)
    assert assessed(**high | {"probability": 0.03, "level": "low"}) == ("3 %  none", "")
    assert assessed(**high | {"stage": "critical_risk"}) == ("97 %  none -> critical_risk", "")


@pytest.mark.parametrize(
    "body",
    [
        {}, {"at": 5, "type": "decided"}, {"at": "yesterday", "type": "item_viewed"},
        {"at": "2026-03-02T09:30:00Z", "type": "decided"}, {"at": "2026-03-02T09:30:00Z", "type": "lead_assessed", "stage": []},
    ],
)  # fmt: skip
def test_what_no_valid_message_says_is_no_line(body: dict[str, Any]) -> None:
    assert tell(body) is None


def test_a_decision_says_what_it_rested_on() -> None:
    """The formula with its numbers, who won, the versions, and the id by which a person approves; also for older records."""
    body = json.loads((ROOT / "schemas/examples/lead.decisions/deferred.json").read_text())
    entry = tell(body | {"winner": "int-other"})
    assert entry is not None
    assert entry.inputs == (
        "risk 64 % in active_risk, treated; rank 1,277.03: 64 % x 10 % x 12,000.00 - 0.00, 60.33 h left; "
        "beaten by int-other; policy 1, model rule-2, asm-e3f4943acae3e1efd22397257adf75; int-22e369b88ca27f8282bbd09336bb04"
    )
    older = tell({name: value for name, value in body.items() if name not in {"rank", "winner"}})
    assert older is not None
    assert older.inputs.startswith("risk 64 % in active_risk, treated; policy 1")


TOLD = ("lead.events", "lead.assessments", "lead.decisions", "interventions", "escalations", "analytics.outcomes")
EXAMPLES = [
    p
    for p in sorted((ROOT / "schemas/examples").rglob("*.json"))
    if p.parent.name.startswith(TOLD) and not p.parent.name.endswith("dlq")
]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_example_that_belongs_to_a_story_is_told(path: Path) -> None:
    entry = tell(json.loads(path.read_text()))
    assert entry is not None
    assert entry.text
