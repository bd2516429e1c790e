"""Every decision, also every non-send, with what it rested on: `lead.decisions`."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schemas.units import Channel, LeadId, MessageId, Outgoing, Probability, Stage, TenantId, UtcTime
from schemas.weights import Drawn


class Verdict(StrEnum):
    """What was decided."""

    SENT = "sent"
    HELD = "held"
    DEFERRED = "deferred"
    ESCALATED = "escalated"
    WITHDRAWN = "withdrawn"
    BEGUN = "begun"


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
    SEND_TIME = "send_time"
    ACTION_GAP = "action_gap"
    BUDGET = "budget"
    APPROVAL = "approval"
    BLAST_RADIUS = "blast_radius"
    ESCALATION_COOLDOWN = "escalation_cooldown"
    ESCALATION_MERGED = "escalation_merged"
    ESCALATION_LOAD = "escalation_load"
    BELOW_VALUE = "below_value"
    EXPIRED = "expired"
    RECOVERED = "recovered"
    STAGE_PASSED = "stage_passed"
    BRANCH = "branch"
    CAMPAIGN = "campaign"
    CAMPAIGN_GAP = "campaign_gap"
    OVERTAKEN = "overtaken"
    CLOSED = "closed"
    ERASED = "erased"


class Rank(Outgoing):
    """What a step was expected to bring: score = (probability x effect x value - cost) / hours left, in cents an hour.

    The step of a campaign stands for itself: there the probability, that the lead would go quiet, is left out.
    """

    value_cents: int
    effect: Annotated[Probability, Field(description="chance that the step keeps a lead that would go quiet")]
    cost_cents: float
    hours_left: float
    score: float


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
    campaign: Annotated[str | None, Field(description="whose step it is; null: of a playbook, or an operator's")] = None
    channel: Channel | None = None
    template: str | None = None
    winner: Annotated[
        MessageId | None, Field(description="intervention that went out in the same moment in its place")
    ] = None
    rank: Annotated[Rank | None, Field(description="what the arbiter ranked it by")] = None
    arm: Literal["treated", "holdout"]
    propensity: Annotated[Probability, Field(description="chance with which this lead was in its arm")]
    probability: Probability
    policy_version: str
    model_version: str
    weights_version: Annotated[str | None, Field(description="of what was learned; null: nothing was put in force")] = (
        None
    )
    drawn: Annotated[tuple[Drawn, ...], Field(description="in experiments that this step is part of")] = ()
