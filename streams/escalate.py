"""A person is asked to step in: to whom, with what context, and not twice within the cooldown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from schemas import events as e
from schemas import topics
from schemas.decisions import Rule, Verdict
from schemas.escalations import EscalationStatus, LeadEscalated, PastIntervention
from schemas.units import Priority, Stage
from streams.calls import unwanted
from streams.chain import Person, chain_of, choose
from streams.explain import reasons_of
from streams.features import DAY, HOUR
from streams.holdout import held_out, out_of_programme
from streams.ids import derive
from streams.insight import time_to_churn
from streams.outbox import decided_of_lead, instant
from streams.recommended import recommended_of
from streams.record import OpenEscalation
from streams.risk import level_of
from streams.stage import ORDER
from streams.trend import trend_of
from streams.value import future_value_cents
from streams.working_hours import working_until

if TYPE_CHECKING:
    from streams.rules import Case

STEP = "escalate"
"""What a decision about an escalation names as its step."""
PROGRAMME = Stage.CRITICAL_RISK
"""What escalations by themselves belong to: who is held out of its playbook is not escalated either."""
WATCHED_FOR = 30 * DAY
"""While we only watch, an escalation waits so long for acting to begin; after that it is passed on to nobody."""
MOST_OPEN = 20
"""Open escalations of a lead; one more takes the place of the oldest."""
URGENCY = (Priority.LOW, Priority.MEDIUM, Priority.HIGH, Priority.CRITICAL)


def escalate_by_itself(case: Case, reason: str) -> None:
    """Escalate unless the lead is held out, was escalated within the cooldown or is worth too little; each way it is written down."""
    rules = case.policy.escalation
    cooling = case.record.last_escalation + rules.cooldown_hours * HOUR
    if held_out(case.policy.holdout, case.tenant, case.lead):
        _held(case, reason, Rule.HOLDOUT, "held-out leads are not escalated")
    elif out_of_programme(case.policy, case.tenant, case.lead, PROGRAMME):
        _held(case, reason, Rule.HOLDOUT, f"leads held out of the programme {PROGRAMME} are not escalated")
    elif case.record.last_escalation and case.now < cooling:
        _held(case, reason, Rule.ESCALATION_COOLDOWN, f"escalated less than {rules.cooldown_hours:g} h ago")
    elif (value := _value_of(case)) < rules.least_value_cents:
        least = rules.least_value_cents / 100
        _held(case, reason, Rule.BELOW_VALUE, f"worth {value / 100:,.2f}; escalated by itself from {least:,.2f}")
    elif not _open_for(case, reason) and (asked := choose(case, chain_of(case))).full:
        room = f"of {rules.most_open} allowed" + (f", on {n} partitions" if (n := case.desk.partitions) > 1 else "")
        _held(case, reason, Rule.ESCALATION_LOAD, f"everybody has enough: {asked.person.name} is the freest {room}")
    else:
        _open(case, reason)


def _held(case: Case, reason: str, rule: Rule, detail: str) -> None:
    decided_of_lead(case, STEP, Verdict.HELD, rule, detail, programme=PROGRAMME, about=reason)


def _open_for(case: Case, reason: str) -> OpenEscalation | None:
    return next((o for o in case.record.escalations if o.reason == reason), None)


def _value_of(case: Case) -> float:
    """What the lead is worth in cents: as the profile says, else what it has spent."""
    known = case.record.profile.value_cents
    return float(known if known is not None else max(case.signs["cents"], 0.0))


def _told_value(case: Case) -> tuple[int | None, Literal["profile", "predicted"] | None]:
    """What the context says the lead is worth in cents, and from where that is known."""
    if (known := case.record.profile.value_cents) is not None:
        return known, "profile"
    predicted = future_value_cents(case.x, case.probability, case.desk.scorer.horizon_days)
    return (None, None) if predicted is None else (round(predicted), "predicted")


def escalate_by_order(case: Case, order: e.EscalateLead) -> None:
    """An operator's order beats the cooldown and says so."""
    _open(case, order.reason, order.by)


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


def time_is_over(case: Case) -> list[OpenEscalation]:
    """Move on what nobody acknowledged in time: to the next of the chain. What the whole chain left lying comes back."""
    unanswered = []
    for opened in case.record.escalations:
        if not opened.due or case.now < opened.due:
            continue
        if not case.desk.acting:
            # Who only watches passes nothing on, and in the end does not ask again whether to.
            opened.due = case.now + HOUR if case.now < opened.at + WATCHED_FOR else 0.0
        elif opened.snoozed:
            asked_last = next((p for p in chain_of(case) if p.name == opened.target), None)
            opened.snoozed, opened.due = False, 0.0 if opened.acknowledged else _due(case, asked_last)
            _publish(case, opened, "reopened")
        elif following := [p for p in chain_of(case) if p.name not in (*opened.told, opened.target)]:
            asked = choose(case, following)
            opened.target, opened.due = asked.person.name, _due(case, asked.person)
            opened.told.append(opened.target)
            _publish(case, opened, "passed_on", note=asked.passed_over or None)
        else:
            opened.due = 0.0
            _publish(case, opened, "unanswered")
            unanswered.append(opened)
    return unanswered


def _due(case: Case, person: Person | None) -> float:
    """When a person's time to answer is over; who is not of the chain any more has the tenant's hours."""
    rules, quiet = case.policy.escalation, case.policy.quiet_hours
    hours = person.hours if person else rules.working_hours
    return working_until(case.now, rules.acknowledge_within_hours, hours, quiet.timezone, quiet.holidays)


def _open(case: Case, reason: str, by: str | None = None) -> None:
    """Ask somebody, by a rule or (`by`) by order; the same reason is not asked twice while it is open, whoever orders it."""
    record = case.record
    rule, of = (Rule.PLAYBOOK, PROGRAMME) if by is None else (Rule.OPERATOR, "")
    if same := _open_for(case, reason):
        same.repeats += 1
        detail = f"open since {instant(same.at):%Y-%m-%d %H:%M} for the same reason, with {same.target}"
        decided_of_lead(case, STEP, Verdict.HELD, Rule.ESCALATION_MERGED, detail, same.id, programme=of, about=reason)
        _publish(case, same, "repeated", by=by)
        return
    if len(record.escalations) >= MOST_OPEN:
        _publish(case, record.escalations.pop(0), "resolved", outcome="superseded")
    overridden = _overridden(case) if by else ""
    record.escalated += 1
    record.last_escalation = case.now
    asked = choose(case, chain_of(case))
    opened = OpenEscalation(
        id=derive("esc", case.tenant, case.lead, case.born, record.escalated),
        at=case.now,
        episode=record.episode.number if record.episode else 0,
        target=asked.person.name,
        reason=reason,
        told=[asked.person.name],
        due=_due(case, asked.person),
        automatic=by is None,
    )
    record.escalations.append(opened)
    told = "; ".join(filter(None, (reason + (f" (by {by})" if by else ""), overridden, asked.passed_over)))
    decided_of_lead(case, STEP, Verdict.ESCALATED, rule, told, opened.id, programme=of, about=reason)
    _publish(case, opened, "open", by=by, note=asked.passed_over or None)


def _overridden(case: Case) -> str:
    """What would have held an escalation by a rule, and does not hold one that a person orders; empty: nothing."""
    hours, last = case.policy.escalation.cooldown_hours, case.record.last_escalation
    if not last or case.now >= last + hours * HOUR:
        return ""
    return f"escalated {(case.now - last) / HOUR:.0f} h ago: the order overrides the cooldown of {hours:g} h"


def _publish(
    case: Case,
    opened: OpenEscalation,
    status: EscalationStatus,
    by: str | None = None,
    outcome: str | None = None,
    note: str | None = None,
) -> None:
    level = level_of(case.probability, case.policy.stages.enter)
    value, source = _told_value(case)
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
            time_to_churn=time_to_churn(case),
            trend=trend_of(case),
            reasons=reasons_of(case.ground.effects, case.x),
            name=case.record.profile.name,
            value_cents=value,
            value_source=source,
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
            unwanted=unwanted(case.policy, case.record.consent, case.record.suppressed),
            recommended=recommended_of(case, case.probability),
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
