"""Signs of life: they stop the playbook, credit interventions, and may end the episode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import events as e
from schemas.decisions import Rule
from schemas.outcomes import Outcome
from schemas.units import DeliveryStatus
from streams import outbox, settle
from streams.planning import answered, drop_planned, reaches_lead, stop_campaigns, stop_playbooks, withdraw
from streams.track import apply_receipt, may_take_credit, window_ends
from streams.triggers import kind_of
from streams.vocabulary import Family
from streams.waiting import hear_word, told_of

if TYPE_CHECKING:
    from streams.record import Intervention
    from streams.rules import Case
    from streams.vocabulary import Meaning


def on_activity(case: Case, event: e.Activity, known: Meaning, at: float) -> None:
    """What an activity at this time (epoch seconds) means for what is open. `case.signs` holds it already."""
    record, rules = case.record, case.policy.episodes
    if isinstance(event, e.MessageReceived) and event.in_reply_to is not None:
        _answered(case, event.in_reply_to)
    name = kind_of(event)
    hear_word(case, name, at=at)
    if not known.key or (record.closed and at < record.closed_at):
        return
    converts = name in rules.converting
    if at >= case.signs["last_key"]:  # an older one, told late, says nothing of how the lead is now
        _is_back(case)
    for intervention in record.open_interventions():
        if intervention.at <= at <= window_ends(intervention, rules.attribution_days) and may_take_credit(intervention):
            _credit(case, intervention, Outcome.CONVERTED if converts else Outcome.RE_ENGAGED, final=converts)
    _stop(case, event, name, known, at, converts=converts)


def _is_back(case: Case) -> None:
    """Whatever it was taken for: the lead lives."""
    record = case.record
    if record.closed and (record.journey or record.dates):
        record.wake = case.now  # campaigns said nothing while it was closed
    record.closed, record.gone = "", False


def _stop(case: Case, event: e.Activity, name: str, known: Meaning, at: float, *, converts: bool) -> None:
    """A sign of life ends what was to bring it about; a conversion ends the episode."""
    came_back, answers = f"the lead came back: {name}", known.family == Family.REPLY
    stop_campaigns(case, "recovery", Rule.RECOVERED, came_back, at)
    if answers:
        stop_campaigns(case, "reply", Rule.RECOVERED, f"the lead answered: {name}", at)
    episode = case.record.episode
    if episode is None or at < episode.opened:
        return
    stages = stop_playbooks(case, "recovery", Rule.RECOVERED, came_back)
    if answers:
        stages += stop_playbooks(case, "reply", Rule.RECOVERED, f"the lead answered: {name}")
    if converts:
        drop_planned(case, Rule.RECOVERED, came_back, lambda p: not p.campaign)
    withdraw(
        case,
        Rule.RECOVERED,
        came_back,
        lambda i: not i.campaign and reaches_lead(case, i) and (converts or i.stage in stages),
    )
    if converts:
        told = getattr(event, "amount_cents", None) is not None
        settle.close_episode(case, episode, "converted", known.cents if told else None)


def _answered(case: Case, intervention: str) -> None:
    """The lead names what it answers. Ids that are not ours (or forgotten) say nothing; what was held out was never sent."""
    found = next((i for i in case.record.interventions if i.id == intervention and not i.held_out), None)
    if found is not None and apply_receipt(found, DeliveryStatus.RESPONDED):
        outbox.tracked(case, found)
        if case.record.belongs(found):
            hear_word(case, "responded", told_of(found))
            answered(case)


def _credit(case: Case, intervention: Intervention, outcome: Outcome, *, final: bool) -> None:
    if intervention.outcome is outcome and not final:
        return
    intervention.outcome = outcome
    (settle.finish if final else outbox.tracked)(case, intervention)
