"""What couriers know of each command: `couriers.ledger`, keyed by intervention id. The truth about sends."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schemas.commands import DeliverIntervention
from schemas.units import Channel, LeadId, MessageId, Outgoing, TenantId, UtcTime


class LedgerState(StrEnum):
    """ABSENT -> CLAIMED -> SENT | REJECTED | RETRY_AT | IN_DOUBT -> SENT | RETRY_AT | UNKNOWN; also EXPIRED, SUPPRESSED."""

    CLAIMED = "claimed"
    SENT = "sent"
    REJECTED = "rejected"
    RETRY_AT = "retry_at"
    IN_DOUBT = "in_doubt"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"


class LedgerEntry(Outgoing):
    """One command's state. `command` is kept while there may still be something to do."""

    v: Literal[1] = 1
    type: Literal["ledger_entry"] = "ledger_entry"
    id: MessageId
    tenant: TenantId
    lead: LeadId
    channel: Channel
    state: LedgerState
    attempt: Annotated[int, Field(ge=0)]
    in_doubt_resends: Annotated[int, Field(ge=0)] = 0
    at: UtcTime
    retry_at: UtcTime | None = None
    provider: str | None = None
    provider_id: str | None = None
    error: str | None = None
    command: DeliverIntervention | None = None
