"""Addresses that may not be written to, on `suppressions`: a keyed hash of each, and why.

The topic is compacted and each record stands on the partition of its own key, so the last record of a key counts. An address is
suppressed by a channel while any of the three causes says so. Neither the address nor the lead can be read off a record.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.units import Channel, MessageId, Outgoing, ShortText, TenantId, UtcTime

Cause = Literal["consent", "erased", "operator"]
"""`consent`: a lead with this address refuses the channel; `erased`: a lead with it was erased; `operator`: a person said so."""


class AddressSuppressed(Outgoing):
    """Whether an address of a tenant's leads may not be written to by a channel, for one of the causes."""

    v: Literal[1] = 1
    type: Literal["address_suppressed"] = "address_suppressed"
    id: MessageId
    tenant: TenantId
    channel: Annotated[Channel, Field(description="email, sms or phone")]
    address: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="BLAKE2b of tenant and address, with a key")]
    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$", description="tells which key; not the key")]
    cause: Cause
    suppressed: Annotated[bool, Field(description="false: released")]
    at: UtcTime
    by: ShortText | None = None
    reason: ShortText | None = None


def key_of(record: AddressSuppressed) -> bytes:
    """The record's key: `tenant:channel:hash:cause`."""
    return f"{record.tenant}:{record.channel}:{record.address}:{record.cause}".encode()
