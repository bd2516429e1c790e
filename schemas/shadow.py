"""What a challenger thinks of a lead: on `lead.shadow`. Nothing follows from it."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.units import LeadId, MessageId, Outgoing, Probability, TenantId, UtcTime


class ShadowScored(Outgoing):
    """A published model that is not in force, beside the one that is."""

    v: Literal[1] = 1
    type: Literal["shadow_scored"] = "shadow_scored"
    id: MessageId
    tenant: TenantId
    lead: LeadId
    at: UtcTime
    probability: Probability
    model_version: str
    champion: Annotated[Probability, Field(description="what the model in force last published of the lead")]
