"""What the journey and the campaigns of a policy listen to, so that most events pass them by without a look at the lead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas import events as e
from streams.lifecycle import Journey
from streams.triggers import Campaign, SatisfactionDrop, Satisfied, heard_by, kind_of
from streams.vocabulary import Meaning

TRAVELLERS, ANYBODYS = 1, 2
"""Whose events of a kind may mean something: those of leads of whom something was heard on the way, or of new ones too."""
NEVER_BELOW, NEVER_AT_LEAST = 0.0, 2.0
"""No mood is below the one, none reaches the other."""


class Wants(NamedTuple):
    """By kind of event, whose mean something; and the moods that begin a campaign."""

    kinds: Mapping[str, int]
    mood_below: float
    mood_at_least: float

    def hears(self, event: e.Activity, told: Meaning) -> int:
        """Whether it listens to this activity: to anybody's, to travellers' only, or not at all (0).

        What tells a mood means something only if the mood is one that is waited for, which is known later.
        """
        whose = self.kinds.get(kind_of(event), 0)
        return whose or TRAVELLERS if told.mood == told.mood else whose

    def cares(self, mood: float) -> bool:
        """Whether a mood like this, newly told, begins something. Never one that is not known (NaN)."""
        return mood < self.mood_below or mood >= self.mood_at_least


def wants_of(journey: Journey, campaigns: Iterable[Campaign]) -> Wants | None:
    """What a policy's parts listen to; None: to nothing.

    Who is new is in the first stage: what completes a later one moves it as well, but milestones and blockers are only
    those of the first; and what ends a campaign means nothing to whom none was begun for.
    """
    all_campaigns = list(campaigns)
    if not all_campaigns and not journey.stages:
        return None
    triggers, begins = [campaign.trigger for campaign in all_campaigns], set[str]()
    begins.update(*map(heard_by, triggers), *(stage.done_on for stage in journey.stages))
    if journey.stages:
        begins.update(journey.stages[0].milestones, journey.stages[0].blockers)
    if journey.follow_crm:
        begins.add("crm_stage_changed")
    goes_on = journey.kinds.union(*(campaign.stop_on for campaign in all_campaigns))
    return Wants(
        dict.fromkeys(goes_on, TRAVELLERS) | dict.fromkeys(begins, ANYBODYS),
        max((t.below for t in triggers if isinstance(t, SatisfactionDrop)), default=NEVER_BELOW),
        min((t.at_least for t in triggers if isinstance(t, Satisfied)), default=NEVER_AT_LEAST),
    )
