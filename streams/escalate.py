"""A person is asked to step in: to whom, with what context, and not twice within the cooldown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from schemas import events as e
from schemas import topics
from schemas.decisions import Rule, Verdict
from schemas.escalations import LeadEscalated, PastIntervention
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


def settle_escalation(case: Case, order: e.AcknowledgeEscalation | e.ResolveEscalation) -> None:
    """Somebody took it on, or is done with it. Unknown ids are ignored and counted."""
    found = next((o for o in case.record.escalations if o.id == order.escalation), None)
    if found is None:
        case.desk.tally["escalation", "unknown"] += 1
        return
    if isinstance(order, e.AcknowledgeEscalation):
        found.acknowledged = True
        _publish(case, found, "acknowledged", by=order.by)
    else:
        case.record.escalations.remove(found)
        _publish(case, found, "resolved", by=order.by, outcome=order.outcome)


def settle_all(case: Case, outcome: str) -> None:
    """Nobody has to act on these any more."""
    while case.record.escalations:
        _publish(case, case.record.escalations.pop(0), "resolved", outcome=outcome)


def _open(case: Case, reason: str, rule: Rule) -> None:
    record = case.record
    if len(record.escalations) >= MOST_OPEN:
        _publish(case, record.escalations.pop(0), "resolved", outcome="superseded")
    record.escalated += 1
    record.last_escalation = case.now
    opened = OpenEscalation(
        id=derive("esc", case.tenant, case.lead, case.policy.name, case.born, record.escalated),
        at=case.now,
        episode=record.episode.number if record.episode else 0,
        target=record.profile.manager or case.policy.escalation.target,
        reason=reason,
    )
    record.escalations.append(opened)
    decided_of_lead(case, STEP, Verdict.ESCALATED, rule, reason, opened.id)
    _publish(case, opened, "open")


def _publish(
    case: Case,
    opened: OpenEscalation,
    status: Literal["open", "acknowledged", "resolved"],
    by: str | None = None,
    outcome: str | None = None,
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
            acknowledge_by=instant(opened.at + case.policy.escalation.acknowledge_within_hours * HOUR),
            by=by,
            outcome=outcome,
            episode=opened.episode,
            policy_version=case.policy.version,
        ),
    )
    case.desk.tally["escalation", status] += 1
