"""Commands on `interventions.<channel>`: deliver one message, or withdraw one that is not out yet.

The id is derived from tenant, lead, policy, episode, step and channel, so the same intent always has the same id.
Consumers must treat a repeated id as the same command.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.units import (
    Channel,
    LeadId,
    MessageId,
    Outgoing,
    Priority,
    Stage,
    TenantId,
    UtcTime,
)

Variable = str | int | float | bool | None


class Recipient(Outgoing):
    """Whom to reach. Which field is the address depends on the channel."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    agent: str | None = None
    timezone: str | None = None
    language: str | None = None


class QuietWindow(Outgoing):
    """Local hours and days on which nothing may be sent; checked again by the courier right before the call."""

    start_minute: Annotated[int, Field(ge=0, lt=1440)]
    end_minute: Annotated[int, Field(ge=0, lt=1440)]
    timezone: str
    days_off: Annotated[tuple[int, ...], Field(description="days of the week, 0 is Monday")] = ()
    closed: Annotated[tuple[date, ...], Field(description="local dates, until the deadline")] = ()


class DeliverIntervention(Outgoing):
    """Send this template with these variables to this recipient, before the deadline or not at all."""

    v: Literal[1] = 1
    type: Literal["deliver_intervention"] = "deliver_intervention"
    id: MessageId
    tenant: TenantId
    lead: LeadId
    at: UtcTime
    channel: Channel
    stage: Stage
    episode: Annotated[int, Field(ge=0, description="0: of a campaign")]
    step: str
    campaign: str | None = None
    action: str
    priority: Priority
    template: str
    variables: dict[str, Variable]
    recipient: Recipient
    deadline: UtcTime
    quiet: Annotated[QuietWindow | None, Field(description="null: a step for staff that asks for no call")] = None
    fallback: tuple[Channel, ...] = ()
    decision: MessageId
    policy_version: str
    model_version: str


class WithdrawIntervention(Outgoing):
    """Do not send the named intervention if it is not out yet: the lead opted out, recovered or was erased."""

    v: Literal[1] = 1
    type: Literal["withdraw_intervention"] = "withdraw_intervention"
    id: MessageId
    tenant: TenantId
    lead: LeadId
    at: UtcTime
    channel: Channel
    reason: str


Command = DeliverIntervention | WithdrawIntervention
COMMAND: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="type")])
