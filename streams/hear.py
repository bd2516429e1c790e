"""Messages about a lead that are no activity: profile, consent, receipts, closing, orders of operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import events as e
from schemas.decisions import Rule
from schemas.units import Channel, DeliveryStatus
from streams import outbox
from streams.consent import ALL
from streams.escalate import escalate_by_order, settle_escalation
from streams.outreach import try_fallback
from streams.playbook import plan
from streams.record import Profile
from streams.stage import ORDER
from streams.track import NOT_REACHED, apply_receipt

if TYPE_CHECKING:
    from streams.rules import Case


def hear(case: Case, body: e.AboutLead) -> None:
    """Take in what the message says."""
    match body:
        case e.ProfileUpdated():
            _profile(case, body)
        case e.ConsentChanged():
            _consent(case, body)
        case e.Receipt():
            _receipt(case, body)
        case e.LeadClosed():
            _closed(case, body)
        case e.TriggerIntervention() if not case.desk.acting:
            case.desk.tally["order", "only_watching"] += 1
        case e.TriggerIntervention():
            case.be_assessed()
            case.open_episode()
            case.add_steps(plan(case.policy, ORDER.index(body.stage), case.now, by=body.id))
        case e.EscalateLead():
            case.be_assessed()
            escalate_by_order(case, body)
        case e.AcknowledgeEscalation() | e.ResolveEscalation():
            settle_escalation(case, body)
        case e.CancelInterventions():
            case.drop_planned(Rule.OPERATOR, f"cancelled by {body.by}")
            case.withdraw(None, Rule.OPERATOR, f"cancelled by {body.by}")


def _profile(case: Case, event: e.ProfileUpdated) -> None:
    """Only what the event names changes. A new address is not suppressed."""
    told = event.model_fields_set & set(Profile.__struct_fields__)
    for name in told:
        setattr(case.record.profile, name, getattr(event, name))
    if "email" in told:
        case.record.suppressed.pop(Channel.EMAIL, None)
    if "phone" in told:
        case.record.suppressed.pop(Channel.SMS, None)


def _consent(case: Case, event: e.ConsentChanged) -> None:
    """An opt-out also takes back what is not out yet."""
    case.record.consent[event.channel] = event.allowed
    if not event.allowed:
        case.withdraw(None if event.channel == ALL else Channel(event.channel), Rule.NO_CONSENT, "the lead opted out")


def _receipt(case: Case, event: e.Receipt) -> None:
    """What a courier or a provider says of one intervention. What was withdrawn gives way to no other channel."""
    found = next((i for i in case.record.interventions if i.id == event.intervention), None)
    if found is not None and event.status is DeliveryStatus.BOUNCED:
        case.record.suppressed[found.channel] = "the address bounced"
    if found is None or not apply_receipt(found, event.status):
        case.desk.tally["receipt", "ignored"] += 1
        return
    case.desk.tally["receipt", event.status] += 1
    outbox.tracked(case, found)
    if found.status in NOT_REACHED and not found.final and not found.withdrawn:
        try_fallback(case, found)


def _closed(case: Case, event: e.LeadClosed) -> None:
    """The relationship ended; nothing more goes out."""
    case.drop_planned(Rule.CLOSED, f"the lead was closed as {event.outcome}")
    case.withdraw(None, Rule.CLOSED, f"closed as {event.outcome}")
    if case.record.episode:
        outbox.close_episode(
            case, case.record.episode, "converted" if event.outcome == "won" else "churned", event.value_cents
        )
    case.record.closed, case.record.closed_at = event.outcome, case.now
    case.desk.table.rows["stage"][case.row] = 0
