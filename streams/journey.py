"""Where a lead is on the way from prospect to advocate: what moves it on or back, and when it counts as stuck.

Being stuck and going back are told as facts, may begin campaigns, and are features of the risk (streams/stuck.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from schemas import events as e
from schemas import topics
from schemas.journeys import Chance, JourneyProgressed, StageLeft
from streams.features import DAY
from streams.ids import derive
from streams.next_action import next_action
from streams.outbox import instant
from streams.progress import success_of
from streams.record import Travelled
from streams.vector import COLUMN

if TYPE_CHECKING:
    from streams.lifecycle import Journey, JourneyStage
    from streams.rules import Case

Change = Literal["moved_on", "moved_back", "milestone", "blocked", "stalled"]


class Move(NamedTuple):
    """A lead's way from one stage to another; indices into the journey's stages."""

    before: int
    after: int

    @property
    def stays(self) -> bool:
        """Whether it is no move at all."""
        return self.after == self.before

    @property
    def change(self) -> Change:
        """Which way, where it does not stay."""
        return "moved_on" if self.after > self.before else "moved_back"


def where_to(journey: Journey, here: int, name: str, crm_stage: str | None = None) -> int:
    """Where a lead that is `here` is after an event of this kind; the same where nothing moves.

    What completes a later stage completes those before it: who buys at once has passed them. Of stages that the same event
    completes the nearest counts.
    """
    if crm_stage is not None and journey.follow_crm:
        told = crm_stage.strip().lower().replace(" ", "_").replace("-", "_")
        return journey.index.get(told, here)
    if name in journey.stages[here].back_on:
        return max(here - 1, 0)
    last = len(journey.stages) - 1
    return next((min(k + 1, last) for k in range(here, last + 1) if name in journey.stages[k].done_on), here)


def stage_of(journey: Journey, travelled: Travelled | None) -> int:
    """The lead's stage; the first where nothing was heard, or where the policy no longer has the stage it was in."""
    return 0 if travelled is None else journey.index.get(travelled.stage, 0)


def completion(stage: JourneyStage, travelled: Travelled, *, last: bool) -> float:
    """Share of what the stage asks for that is behind the lead: its milestones, and one more for its success."""
    asked = len(stage.milestones) + (bool(stage.done_on) and not last)
    return round(len(travelled.heard) / asked, 4) if asked else 1.0


def stuck_at(journey: Journey, travelled: Travelled | None) -> float | None:
    """When a lead that stays counts as stuck, epoch seconds; None: never, or nothing was heard of it in such a stage."""
    if travelled is None or travelled.stage not in journey.index:
        return None
    days = journey.stages[journey.index[travelled.stage]].stalls_after
    return None if days is None else travelled.entered + days * DAY


def stalls_at(journey: Journey, travelled: Travelled | None) -> float | None:
    """When it is to be told that the lead is stuck, epoch seconds; None: never, or it was told already."""
    return None if travelled is None or travelled.stalled else stuck_at(journey, travelled)


def heard(journey: Journey, travelled: Travelled | None, name: str, crm_stage: str | None, at: float) -> Move | None:
    """Where an event of this time (epoch seconds) takes the lead, which may be where it is; None: it means nothing.

    An event from before the stage was entered, told late, says nothing of where the lead is now.
    """
    if name not in journey.kinds or (travelled is not None and at < travelled.entered):
        return None
    here = stage_of(journey, travelled)
    return Move(here, where_to(journey, here, name, crm_stage))


def travel(case: Case, event: e.Activity | None, name: str, at: float) -> Move | None:
    """Take in what an event of this time (epoch seconds) says of the journey; the move, if it is one."""
    journey, record = case.policy.journey, case.record
    crm_stage = event.stage if isinstance(event, e.CrmStageChanged) else None
    move = heard(journey, record.journey, name, crm_stage, at)
    if move is None:
        return None
    if not move.stays:
        _move(case, move, name, at)
        return move
    stage = journey.stages[move.after]
    if name in stage.milestones and name not in (here_now := _begun(case, at)).heard:
        here_now.heard[name] = at
        tell(case, "milestone", name)
    if name in stage.blockers:
        here_now = _begun(case, at)
        known, here_now.blocked[name] = name in here_now.blocked, at
        if not known:
            tell(case, "blocked", name)
    return None


def tell_stall(case: Case) -> None:
    """The lead has been in its stage for too long."""
    assert case.record.journey is not None
    case.record.journey.stalled = True
    tell(case, "stalled", "time")


def _begun(case: Case, at: float) -> Travelled:
    """What is kept of the journey; begun where nothing was heard before."""
    record, stages = case.record, case.policy.journey.stages
    if record.journey is None or record.journey.stage not in case.policy.journey.index:
        changes = record.journey.changes if record.journey else 0
        record.journey = Travelled(stages[0].name, float(case.signs["first"]) or at, changes=changes)
    return record.journey


def _move(case: Case, move: Move, name: str, at: float) -> None:
    stages, before = case.policy.journey.stages, _begun(case, at)
    left = StageLeft(
        stage=before.stage,
        entered_at=instant(before.entered),
        expected_exit_at=_expected(stages[move.before], before.entered),
        days=round(max(at - before.entered, 0.0) / DAY, 3),
        skipped=tuple(s.name for s in stages[move.before + 1 : move.after]),
    )
    case.record.journey = Travelled(stages[move.after].name, at, changes=before.changes)
    tell(case, move.change, name, left)


def tell(case: Case, change: Change, cause: str, left: StageLeft | None = None) -> None:
    """Publish where the lead is now."""
    journey, travelled = case.policy.journey, case.record.journey
    assert travelled is not None
    travelled.changes += 1
    here = stage_of(journey, travelled)
    stage, mood = journey.stages[here], float(case.x[COLUMN["mood"]])
    case.emit(
        topics.OUTCOMES,
        JourneyProgressed(
            id=derive("jny", case.tenant, case.lead, case.born, travelled.changes),
            tenant=case.tenant,
            lead=case.lead,
            at=case.at,
            change=change,
            cause=cause,
            journey=case.policy.name,
            stage=stage.name,
            order=here + 1,
            of=len(journey.stages),
            entered_at=instant(travelled.entered),
            expected_exit_at=_expected(stage, travelled.entered),
            left=left,
            completion=completion(stage, travelled, last=here == len(journey.stages) - 1),
            milestones=tuple(travelled.heard),
            missing=tuple(m for m in stage.milestones if m not in travelled.heard),
            blockers=tuple(travelled.blocked),
            stalled=travelled.stalled,
            satisfaction=None if mood != mood else min(max(mood, 0.0), 1.0),  # noqa: PLR0124 - NaN
            next_action=next_action(stage, travelled.heard, travelled.blocked),
            success=_chance(case, stage),
            success_estimate=stage.success_estimate,
            estimate_source=stage.estimate_source,
            policy_version=case.policy.version,
        ),
    )
    case.desk.tally["journey", change] += 1


def _expected(stage: JourneyStage, entered: float) -> datetime | None:
    return None if stage.typical_days is None else instant(entered + stage.typical_days * DAY)


def _chance(case: Case, stage: JourneyStage) -> Chance | None:
    """Of leads that settled in the stage, how many got through: as was learned and is in force."""
    known = case.desk.weights.journey.get(stage.name)
    found = success_of(known.through, known.settled) if known else None
    if found is None or found.share is None:
        return None
    return Chance(share=found.share, low=found.low, high=found.high, settled=found.settled)
