"""A person is asked to step in: to whom, with what context, and not twice within the cooldown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import events as e
from schemas import topics
from schemas.decisions import Rule, Verdict
from schemas.escalations import EscalationStatus, LeadEscalated, PastIntervention
from schemas.units import Priority
from streams.explain import reasons_of
from streams.features import HOUR
from streams.health import BANDS
from streams.holdout import held_out
from streams.ids import derive
from streams.outbox import decided_of_lead, instant
from streams.record import OpenEscalation
from streams.risk import level_of
from streams.stage import ORDER
from streams.working_hours import working_until

if TYPE_CHECKING:
    from streams.rules import Case

STEP = "escalate"
"""What a decision about an escalation names as its step."""
MOST_OPEN = 20
"""Open escalations of a lead; one more takes the place of the oldest."""
URGENCY = (Priority.LOW, Priority.MEDIUM, Priority.HIGH, Priority.CRITICAL)


def escalate_by_itself(case: Case, reason: str) -> None:
    """Escalate unless the lead is held out, was escalated within the cooldown or is worth too little; each way it is written down."""
    rules = case.policy.escalation
    cooling = case.record.last_escalation + rules.cooldown_hours * HOUR
    if held_out(case.policy.holdout, case.tenant, case.lead):
        decided_of_lead(case, STEP, Verdict.HELD, Rule.HOLDOUT, "held-out leads are not escalated")
    elif case.record.last_escalation and case.now < cooling:
        detail = f"escalated less than {rules.cooldown_hours:g} h ago"
        decided_of_lead(case, STEP, Verdict.HELD, Rule.ESCALATION_COOLDOWN, detail)
    elif (value := _value_of(case)) < rules.least_value_cents:
        detail = f"worth {value / 100:,.2f}; escalated by itself from {rules.least_value_cents / 100:,.2f}"
        decided_of_lead(case, STEP, Verdict.HELD, Rule.BELOW_VALUE, detail)
    else:
        _open(case, reason, Rule.PLAYBOOK)


def _value_of(case: Case) -> float:
    """What the lead is worth in cents: as the profile says, else what it has spent."""
    known = case.record.profile.value_cents
    return float(known if known is not None else max(case.signs["cents"], 0.0))


def escalate_by_order(case: Case, order: e.EscalateLead) -> None:
    """An operator's order beats the cooldown and says so."""
    _open(case, f"{order.reason} (by {order.by})", Rule.OPERATOR)


Settling = e.AcknowledgeEscalation | e.SnoozeEscalation | e.ResolveEscalation


def settle_escalation(case: Case, order: Settling) -> None:
    """Somebody took it on, will look at it later, or is done with it. Unknown ids are ignored and counted."""
    found = next((o for o in case.record.escalations if o.id == order.escalation), None)
    if found is None:
        case.desk.tally["escalation", "unknown"] += 1
        return
    match order:
        case e.AcknowledgeEscalation():
            found.acknowledged, found.acknowledged_at, found.due, found.snoozed = True, case.now, 0.0, False
            _publish(case, found, "acknowledged", by=order.by)
        case e.SnoozeEscalation():
            found.due, found.snoozed = order.until.timestamp(), True
            _publish(case, found, "snoozed", by=order.by, note=order.reason)
        case e.ResolveEscalation():
            case.record.escalations.remove(found)
            _publish(case, found, "resolved", by=order.by, outcome=order.outcome)


def settle_all(case: Case, outcome: str) -> None:
    """Nobody has to act on these any more."""
    while case.record.escalations:
        _publish(case, case.record.escalations.pop(0), "resolved", outcome=outcome)


def settle_ended(case: Case) -> None:
    """What a rule opened ends with its episode: the lead came back, was closed, or is lost."""
    number = case.record.episode.number if case.record.episode else 0
    for ended in [o for o in case.record.escalations if o.automatic and o.episode != number]:
        case.record.escalations.remove(ended)
        _publish(case, ended, "resolved", outcome="the episode ended")


def chain_of(case: Case) -> list[str]:
    """Who is asked, in order: names, with owner and manager read from the lead's profile."""
    rules, profile = case.policy.escalation, case.record.profile
    own = {"owner": profile.owner, "manager": profile.manager}
    names = [own.get(name, name) for name in (*rules.chain, rules.target)]
    return list(dict.fromkeys(name for name in names if name))


def time_is_over(case: Case) -> list[OpenEscalation]:
    """Move on what nobody acknowledged in time: to the next of the chain. What the whole chain left lying comes back."""
    unanswered = []
    for opened in case.record.escalations:
        if not opened.due or case.now < opened.due:
            continue
        if not case.desk.acting:
            opened.due = case.now + HOUR  # who only watches passes nothing on
        elif opened.snoozed:
            opened.snoozed, opened.due = False, 0.0 if opened.acknowledged else _due(case)
            _publish(case, opened, "reopened")
        elif following := [name for name in chain_of(case) if name not in (*opened.told, opened.target)]:
            opened.target, opened.due = following[0], _due(case)
            opened.told.append(opened.target)
            _publish(case, opened, "passed_on")
        else:
            opened.due = 0.0
            _publish(case, opened, "unanswered")
            unanswered.append(opened)
    return unanswered


def _due(case: Case) -> float:
    rules, quiet = case.policy.escalation, case.policy.quiet_hours
    return working_until(case.now, rules.acknowledge_within_hours, rules.working_hours, quiet.timezone, quiet.holidays)


def _open(case: Case, reason: str, rule: Rule) -> None:
    record = case.record
    if same := next((o for o in record.escalations if o.reason == reason), None):
        same.repeats += 1
        detail = f"open since {instant(same.at):%Y-%m-%d %H:%M} for the same reason, with {same.target}"
        decided_of_lead(case, STEP, Verdict.HELD, Rule.ESCALATION_MERGED, detail, same.id)
        _publish(case, same, "repeated")
        return
    if len(record.escalations) >= MOST_OPEN:
        _publish(case, record.escalations.pop(0), "resolved", outcome="superseded")
    record.escalated += 1
    record.last_escalation = case.now
    target = chain_of(case)[0]
    opened = OpenEscalation(
        id=derive("esc", case.tenant, case.lead, case.policy.name, case.born, record.escalated),
        at=case.now,
        episode=record.episode.number if record.episode else 0,
        target=target,
        reason=reason,
        told=[target],
        due=_due(case),
        automatic=rule is Rule.PLAYBOOK,
    )
    record.escalations.append(opened)
    decided_of_lead(case, STEP, Verdict.ESCALATED, rule, reason, opened.id)
    _publish(case, opened, "open")


def _publish(
    case: Case,
    opened: OpenEscalation,
    status: EscalationStatus,
    by: str | None = None,
    outcome: str | None = None,
    note: str | None = None,
) -> None:
    level = level_of(case.probability, case.policy.stages.enter)
    effects = case.desk.scorer.effects(case.x[None, :])[0]
    case.emit(
        topics.ESCALATIONS,
        LeadEscalated(
            id=opened.id,
            tenant=case.tenant,
            lead=case.lead,
            at=case.at,
            status=status,
            target=opened.target,
            reason=opened.reason,
            urgency=URGENCY[level],
            probability=case.probability,
            stage=ORDER[case.stage],
            time_to_churn=BANDS[level],
            reasons=reasons_of(effects, case.x),
            name=case.record.profile.name,
            value_cents=case.record.profile.value_cents,
            history=tuple(
                PastIntervention(
                    intervention=i.id,
                    at=instant(i.at),
                    channel=i.channel,
                    step=i.step,
                    status=i.status,
                    outcome=i.outcome,
                )
                for i in reversed(case.record.interventions[-10:])
            ),
            recommended=tuple(s.action for s in case.policy.playbooks.of(ORDER[case.stage]).steps),
            opened_at=instant(opened.at),
            acknowledge_by=instant(opened.due) if opened.due and not opened.snoozed else None,
            acknowledged_at=instant(opened.acknowledged_at) if opened.acknowledged_at else None,
            snoozed_until=instant(opened.due) if opened.snoozed else None,
            asked=tuple(opened.told),
            repeats=opened.repeats,
            by=by,
            note=note,
            outcome=outcome,
            episode=opened.episode,
            policy_version=case.policy.version,
        ),
    )
    case.desk.tally["escalation", status] += 1
