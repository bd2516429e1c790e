"""Orders of operators: start a playbook or a campaign, agree to a step, cancel, escalate, take on and settle escalations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from schemas import events as e
from schemas.decisions import Rule, Verdict
from streams import outbox
from streams.campaign import begin_by_order
from streams.decide import Judgement
from streams.escalate import escalate_by_order, settle_escalation
from streams.planning import add_steps, drop_planned, first_channel, withdraw_all
from streams.playbook import plan, plan_ordered
from streams.stage import ORDER
from streams.waiting import follow

if TYPE_CHECKING:
    from streams.rules import Case

TRIGGER = "trigger"
"""What a decision that nothing may be begun for a lead names as its step."""


def obey(case: Case, order: e.AboutLead) -> None:
    """Do what an operator ordered, as far as the rules allow."""
    match order:
        case e.TriggerIntervention():
            _trigger(case, order)
        case e.BeginCampaign():
            begin_by_order(case, order.campaign, order.by)
        case e.ApproveIntervention():
            _approve(case, order)
        case e.EscalateLead():
            case.be_assessed()
            escalate_by_order(case, order)
        case e.AcknowledgeEscalation() | e.SnoozeEscalation() | e.ResolveEscalation():
            settle_escalation(case, order)
        case e.CancelInterventions():
            _cancel(case, order)


def _cancel(case: Case, order: e.CancelInterventions) -> None:
    drop_planned(case, Rule.OPERATOR, f"cancelled by {order.by}")
    if case.record.episode:
        case.record.episode.hand_on_at = 0.0
    withdraw_all(case, Rule.OPERATOR, f"cancelled by {order.by}")


def _trigger(case: Case, order: e.TriggerIntervention) -> None:
    """An operator starts a playbook, or actions of their own, whatever the stage. The arbiter still judges each step."""
    if not case.desk.acting:
        case.desk.tally["order", "only_watching"] += 1
        return
    case.be_assessed()
    if case.record.closed:
        detail = f"ordered by {order.by}; the lead was closed as {case.record.closed}"
        outbox.decided_of_lead(case, TRIGGER, Verdict.HELD, Rule.CLOSED, detail, about=order.id)
        return
    case.open_episode()
    stage = ORDER.index(order.stage)
    own = plan_ordered(order.actions, stage, case.now, order.id)
    add_steps(case, own or plan(case.policy, stage, case.now, order.id, partial(first_channel, case)))


def _approve(case: Case, answer: e.ApproveIntervention) -> None:
    """A person agrees to a step that waits for it, or not. Nothing is said where nothing waits."""
    for planned in [p for p in case.record.all_planned() if p.asked and not p.approved]:
        if outbox.intervention_id(case, planned) != answer.intervention:
            continue
        if answer.approved:
            planned.approved, planned.due = answer.by, case.now
            return
        case.record.home_of(planned).remove(planned)
        why = f"{answer.by} did not agree" + (f": {answer.reason}" if answer.reason else "")
        outbox.decided(case, planned, Judgement(Verdict.HELD, Rule.APPROVAL, why))
        follow(case, planned, "held")
        return
    case.desk.tally["approval", "unknown"] += 1
