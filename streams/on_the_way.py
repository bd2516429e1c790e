"""What events and time mean for a lead's journey and for campaigns, besides what they mean for its risk.

By time nothing is done but on a tick: between two ticks a lead may be looked at or not, as other messages of the round have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from schemas import events as e
from schemas.decisions import Rule
from streams.campaign import begin, moment
from streams.journey import Move, stalls_at, tell_stall, travel
from streams.noted_days import note_days
from streams.occasions import Occasion, in_words, is_over, occasions
from streams.planning import stop_campaigns
from streams.stuck import note
from streams.triggers import LifecycleStage, OnEvent, SatisfactionDrop, Satisfied, kind_of
from streams.vector import COLUMN

if TYPE_CHECKING:
    from streams.rules import Case
    from streams.vocabulary import Meaning


class Heard(NamedTuple):
    """What an activity has meant for the journey: whether it began there, where it led, whether that moves the risk."""

    begins: bool
    move: Move | None
    moves_risk: bool


def hear_of_journey(case: Case, event: e.Activity, known: Meaning, at: float) -> Heard | None:
    """What an activity of this time (epoch seconds) means for the journey, before the risk is assessed: it counts for that.

    None: neither journey nor campaigns listen to it.
    """
    wants, record = case.policy.wants, case.record
    if wants is None or not wants.hears(event, known):
        return None
    nothing_known = record.journey is None
    move = travel(case, event, kind_of(event), at)
    return Heard(nothing_known and record.journey is not None, move, note(case, move))


def hear_on_the_way(case: Case, event: e.Activity, known: Meaning, at: float, heard: Heard) -> None:
    """What it means for campaigns, after the risk was assessed."""
    record, name, move = case.record, kind_of(event), heard.move
    stop_campaigns(case, name, Rule.OVERTAKEN, f"{name} was heard", at)
    moves_a_day = note_days(case, event, name, at)
    if not record.closed:
        for campaign, why in _caused(case, name, known, move):
            begin(case, campaign, at, why)
    if moves_a_day or move or heard.begins:
        _wake(case)


def hear_closing(case: Case, outcome: str, at: float) -> None:
    """The lead was closed as won, lost or churned; of the journey that may be a step."""
    note(case, travel(case, None, f"closed_{outcome}", at))
    case.record.wake = 0.0


def begin_by_time(case: Case) -> None:
    """A tick looks at the lead: begin what is due, say where it is stuck, forget days that are over."""
    record, policy = case.record, case.policy
    if note(case):  # another policy has other stages, or sets other times
        case.look_again()
    if not policy.campaigns and not policy.journey.stages:
        record.wake = 0.0
        return
    if not record.closed:
        stalls = stalls_at(policy.journey, record.journey)
        if stalls is not None and case.now >= stalls:
            tell_stall(case)
        for occasion in list(_occasions(case)):
            if occasion.due <= case.now:
                why = in_words(policy.campaigns[occasion.campaign].trigger, moment(occasion.about))
                begin(case, occasion.campaign, occasion.about, why)
    record.dates = {name: day for name, day in record.dates.items() if not is_over(policy, name, day, case.now)}
    _wake(case)


def _caused(case: Case, name: str, known: Meaning, move: Move | None) -> Iterator[tuple[str, str]]:
    """Campaigns that this event begins, and why."""
    mood = float(case.x[COLUMN["mood"]])
    says_mood = known.mood == known.mood
    stage = case.policy.journey.stages[move.after].name if move else ""
    for campaign, described in case.policy.campaigns.items():
        match described.trigger:
            case OnEvent(kinds=kinds) if name in kinds:
                yield campaign, name
            case SatisfactionDrop(below=bar) if says_mood and mood < bar:
                yield campaign, f"satisfaction {mood:.0%}, below {bar:.0%}"
            case Satisfied(at_least=bar) if says_mood and mood >= bar:
                yield campaign, f"satisfaction {mood:.0%}, at least {bar:.0%}"
            case LifecycleStage(stage=wanted, when=when) if move and wanted == stage:
                if when == ("entered" if move.change == "moved_on" else "moved_back"):
                    yield campaign, f"{'entered' if when == 'entered' else 'came back to'} {stage}"
            case _:
                pass


def _occasions(case: Case) -> Iterator[Occasion]:
    return occasions(case.policy, case.record, case.born, float(case.signs["last"]), case.now)


def _wake(case: Case) -> None:
    """Work out when time alone may change something next. Not while the lead is closed: nothing is said then."""
    record, policy = case.record, case.policy
    if record.closed:
        record.wake = 0.0
        return
    times = [o.due for o in _occasions(case)]
    stalls = stalls_at(policy.journey, record.journey)
    if stalls is not None:
        times.append(stalls)
    record.wake = min(times, default=0.0)
