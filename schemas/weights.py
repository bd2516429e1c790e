"""What was learned from outcomes, on `policies`: how often each variant is drawn. Computed beside the fold, never by it."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.units import MessageId, Outgoing, Probability, UtcTime, Whose


class Drawn(Outgoing):
    """What a lead was drawn for in one experiment; the same one each time."""

    experiment: str
    variant: str
    propensity: Annotated[Probability, Field(description="chance of this variant when it was drawn")]


class Weights(Outgoing):
    """What was learned for one tenant."""

    experiments: dict[str, dict[str, Probability]] = Field(
        default={}, description="experiment -> variant -> chance that it is the best one"
    )


class WeightsPublished(Outgoing):
    """One version of what was learned. It changes nothing until an `activate` record names it."""

    v: Literal[1] = 1
    type: Literal["weights_published"] = "weights_published"
    id: MessageId
    tenant: Whose
    at: Annotated[UtcTime, Field(description="of the newest outcome that it rests on")]
    version: str
    weights: Annotated[dict[Whose, Weights], Field(description="by tenant; `*`: of those without their own")]
