"""Every decision, also every non-send, with what it rested on: `lead.decisions`."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schemas.units import Channel, LeadId, MessageId, Outgoing, Probability, Stage, TenantId, UtcTime


class Verdict(StrEnum):
    """What was decided."""

    SENT = "sent"
    HELD = "held"
    DEFERRED = "deferred"
    ESCALATED = "escalated"
    WITHDRAWN = "withdrawn"


class Rule(StrEnum):
    """The rule that decided. Its name is the file in `streams/` or the section of the policy."""

    PLAYBOOK = "playbook"
    OPERATOR = "operator"
    NO_CONSENT = "no_consent"
    SUPPRESSED = "suppressed"
    NO_ADDRESS = "no_address"
    HOLDOUT = "holdout"
    QUIET_HOURS = "quiet_hours"
    CAP_TOTAL = "cap_total"
    CAP_CHANNEL = "cap_channel"
    COOLDOWN = "cooldown"
    ESCALATION_COOLDOWN = "escalation_cooldown"
    BELOW_VALUE = "below_value"
    EXPIRED = "expired"
    RECOVERED = "recovered"
    STAGE_PASSED = "stage_passed"
    BRANCH = "branch"
    CLOSED = "closed"
    ERASED = "erased"


class Decided(Outgoing):
    """One decision about one step for one lead."""

    v: Literal[1] = 1
    type: Literal["decided"] = "decided"
    id: MessageId
    tenant: TenantId
    lead: LeadId
    at: UtcTime
    verdict: Verdict
    rule: Rule
    detail: Annotated[str, Field(description="the rule in words, with its numbers")]
    until: UtcTime | None = None
    expires: UtcTime | None = None
    intervention: MessageId | None = None
    escalation: MessageId | None = None
    assessment: MessageId
    episode: Annotated[int, Field(ge=0, description="0: none was open")]
    stage: Stage
    step: str
    channel: Channel | None = None
    template: str | None = None
    arm: Literal["treated", "holdout"]
    propensity: Annotated[Probability, Field(description="chance with which this lead was in its arm")]
    probability: Probability
    policy_version: str
    model_version: str
