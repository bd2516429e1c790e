"""Being stuck and going back as risk features: two numbers of each lead's row that say the same of every tenant's journey.

Stages are the tenant's own, while one model judges all leads. So the row holds nothing of a stage but what all stages have
in common: from which moment a lead counts as stuck (`journey.stuck_at`), and how often it went back since it last moved on.
They change with the journey only, never with an event that the journey does not listen to.

Training follows the journeys of its log with the same rules (`Followed`), so a model learns from what it is asked about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from schemas import events as e
from streams.journey import Move, heard, stuck_at
from streams.record import Travelled
from streams.triggers import kind_of

if TYPE_CHECKING:
    from streams.lifecycle import Journey
    from streams.rules import Case

MOST_BACK, LATEST = 0xFF, 0xFFFF_FFFF
"""What the row has room for: moves back, and epoch seconds (the year 2106)."""


class Standing(NamedTuple):
    """What the row says of the journey.

    Attributes:
        stuck_from: Epoch seconds from which the lead counts as stuck; 0: there is no such time.
        backward: Moves back since it last moved on, up to 255.
    """

    stuck_from: int
    backward: int


NOWHERE = Standing(0, 0)


def standing(journey: Journey, travelled: Travelled | None, backward: int) -> Standing:
    """What the row is to say; of a stage that the policy does not have, nothing."""
    if travelled is None or travelled.stage not in journey.index:
        return NOWHERE
    at = stuck_at(journey, travelled)
    return Standing(0 if at is None else min(max(int(at), 1), LATEST), backward)


def after(backward: int, move: Move) -> int:
    """How often it went back, after this move."""
    return min(backward + 1, MOST_BACK) if move.change == "moved_back" else 0


def note(case: Case, move: Move | None = None) -> bool:
    """Write down where the lead stands on its journey; whether anything in its row changed by that."""
    signs = case.signs
    was = Standing(int(signs["stuck_from"]), int(signs["backward"]))
    now = standing(case.policy.journey, case.record.journey, after(was.backward, move) if move else was.backward)
    if now != was:
        case.stands(*now)
    return now != was


class Step(NamedTuple):
    """What an event of a log says of the journey."""

    name: str
    crm_stage: str | None

    @classmethod
    def of(cls, event: e.LeadEvent) -> Step | None:
        """By the names that policies use; None: an event that no journey listens to."""
        if isinstance(event, e.LeadClosed):
            return cls(f"closed_{event.outcome}", None)
        if not e.is_activity(event):
            return None
        return cls(kind_of(event), event.stage if isinstance(event, e.CrmStageChanged) else None)


class Followed:
    """Where leads of a log are on their journey; the rules hold it in their records, and a log has none."""

    def __init__(self) -> None:
        """Nobody was heard of."""
        self._travelled: dict[int, Travelled] = {}

    def take(self, journey: Journey, lead: int, step: Step, at: float, first: float, was: Standing) -> Standing:
        """Take in what happened `at`; what the row says afterwards.

        Args:
            journey: the one that its tenant's leads are on.
            lead: whose step it is.
            step: what was heard.
            at: epoch seconds.
            first: the lead's oldest event so far, when it was in the first stage.
            was: what the row says.
        """
        travelled, backward = self._travelled.get(lead), was.backward
        move = heard(journey, travelled, step.name, step.crm_stage, at)
        if move is None:
            return was
        if move.stays and travelled is None and journey.stages[move.after].keeps(step.name):
            travelled = Travelled(journey.stages[0].name, first or at)
        elif not move.stays:
            travelled, backward = Travelled(journey.stages[move.after].name, at), after(backward, move)
        if travelled is not None:
            self._travelled[lead] = travelled
        return standing(journey, travelled, backward)
