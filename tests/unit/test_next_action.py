"""What brings a lead on: against what holds it up, towards what is missing, else what its stage asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.lifecycle import JourneyStage
from streams.next_action import next_action
from tests.unit.lives import Life

STAGE = JourneyStage.model_validate(
    {
        "name": "trial", "next_action": "market_update", "blockers": ["ticket_opened", "payment_failed", "survey_answered"],
        "milestones": ["data_imported", "teammate_invited"],
        "unblock": {"ticket_opened": "agent_escalation", "payment_failed": "immediate_call", "teammate_invited": "schedule_meeting"},
    }
)  # fmt: skip
BOTH = {"data_imported", "teammate_invited"}


@pytest.mark.parametrize(
    ("heard", "blocked", "action"),
    [
        (BOTH, {}, "market_update"),
        (set(), {}, "schedule_meeting"),
        (BOTH, {"ticket_opened": 1.0}, "agent_escalation"),
        (BOTH, {"ticket_opened": 1.0, "payment_failed": 2.0}, "immediate_call"),
        (BOTH, {"ticket_opened": 2.0, "payment_failed": 2.0}, "agent_escalation"),
        (set(), {"payment_failed": 1.0}, "immediate_call"),
        (BOTH, {"survey_answered": 9.0}, "market_update"),
        ({"teammate_invited"}, {"survey_answered": 9.0, "ticket_opened": 1.0}, "agent_escalation"),
    ],
)
def test_blockers_first_then_what_is_missing_then_the_stages_own(
    heard: set[str], blocked: dict[str, float], action: str
) -> None:
    assert next_action(STAGE, heard, blocked) == action


@given(st.sets(st.sampled_from(STAGE.milestones)), st.dictionaries(st.sampled_from(STAGE.blockers), st.floats(0, 1e10)))
def test_a_stage_that_names_no_help_always_asks_for_the_same(heard: set[str], blocked: dict[str, float]) -> None:
    plain = STAGE.model_copy(update={"unblock": {}})
    assert next_action(plain, heard, blocked) == "market_update"


def test_help_against_what_the_stage_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="unblock names no_show: add it to blockers or milestones of the stage"):
        JourneyStage.model_validate({"name": "trial", "unblock": {"no_show": "immediate_call"}})


def test_the_journey_tells_it_as_it_is_blocked() -> None:
    life = Life()  # real estate
    life.tell(0, "custom", kind="viewing_booked")
    life.tell(1, "custom", kind="viewing_missed")
    told = [(t["change"], t["next_action"]) for t in life.told if t["type"] == "journey_progressed"]
    assert told == [("moved_on", "schedule_meeting"), ("blocked", "immediate_call")]
