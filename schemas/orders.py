"""Orders of operators on the inbox, in the imperative: start, agree, escalate, take on, settle, cancel, erase."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, validate_email
from pydantic_core import PydanticCustomError

from schemas.activity import LeadMessage
from schemas.units import Action, Channel, Incoming, MessageId, ShortText, TenantId, UtcTime, e164


class OrderedAction(Incoming):
    """An action of an operator's own, in place of the playbook's steps."""

    action: Action
    channel: Channel
    template: Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$", max_length=128)]
    delay_hours: Annotated[float, Field(ge=0, le=720)] = 0.0
    within_hours: Annotated[float, Field(gt=0, le=720)] = 48.0


class TriggerIntervention(LeadMessage):
    """An operator starts the playbook of a stage by hand, or actions of their own; stage none has no playbook."""

    type: Literal["trigger_intervention"]
    stage: Literal["early_warning", "active_risk", "critical_risk"]
    by: ShortText
    actions: Annotated[tuple[OrderedAction, ...], Field(max_length=10)] = ()


class BeginCampaign(LeadMessage):
    """An operator begins a campaign of the policy for this lead, whomever it is meant for and whenever it was begun last."""

    type: Literal["begin_campaign"]
    campaign: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
    by: ShortText


class EscalateLead(LeadMessage):
    """An operator hands the lead to a manager."""

    type: Literal["escalate_lead"]
    reason: ShortText
    by: ShortText


class AcknowledgeEscalation(LeadMessage):
    """Somebody took the escalation on."""

    type: Literal["acknowledge_escalation"]
    escalation: MessageId
    by: ShortText


class SnoozeEscalation(LeadMessage):
    """Somebody will look at it later; until then nobody else is asked."""

    type: Literal["snooze_escalation"]
    escalation: MessageId
    by: ShortText
    until: UtcTime
    reason: ShortText

    @field_validator("until")
    @classmethod
    def _later(cls, value: datetime, given: ValidationInfo) -> datetime:
        at = given.data.get("at")
        if at is not None and value <= at:
            raise PydanticCustomError("not_later", "is not later than `at`, when it was ordered")
        return value


class ResolveEscalation(LeadMessage):
    """The escalation is done."""

    type: Literal["resolve_escalation"]
    escalation: MessageId
    by: ShortText
    outcome: ShortText


class CancelInterventions(LeadMessage):
    """An operator stops what is planned for the lead."""

    type: Literal["cancel_interventions"]
    by: ShortText
    reason: ShortText | None = None


class ApproveIntervention(LeadMessage):
    """A person agrees, or does not, to a step that waits for it; its id stands in the decision that asked."""

    type: Literal["approve_intervention"]
    intervention: MessageId
    approved: bool = True
    by: ShortText
    reason: ShortText | None = None


class EraseLead(LeadMessage):
    """Forget the lead: state is removed, open commands withdrawn."""

    type: Literal["erase_lead"]
    by: ShortText
    suppress: Annotated[
        bool, Field(description="keep a keyed hash of its addresses, so that nobody writes to them again")
    ] = True


def _address(value: str) -> str:
    """An e-mail address or a phone number, in the form that a profile has."""
    return validate_email(value)[1] if "@" in value else e164(value)


class AboutAddress(Incoming):
    """An order about an address, whoever has it. Any key and partition will do; the tenant is a good key."""

    v: Literal[1] = 1
    id: MessageId
    tenant: TenantId
    at: UtcTime
    address: Annotated[str, Field(max_length=256), AfterValidator(_address)]
    by: ShortText
    reason: ShortText | None = None


class SuppressAddress(AboutAddress):
    """Nobody is written to at this address any more: by e-mail, or by text message and phone."""

    type: Literal["suppress_address"]


class ReleaseAddress(AboutAddress):
    """The address may be used again, whatever it was suppressed for. What its leads themselves refuse goes on."""

    type: Literal["release_address"]
