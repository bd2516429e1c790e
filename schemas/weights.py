"""What was learned from outcomes, on `policies`: how often each variant is drawn. Computed beside the fold, never by it."""

from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b
from typing import Annotated, Literal

from pydantic import Field

from schemas.units import Channel, MessageId, Outgoing, Probability, Stage, UtcTime, Whose

LocalHour = Annotated[int, Field(ge=0, le=23)]


def name_of(tenant: str, lead: str) -> str:
    """48 bits that stand for a lead, so that no record here says who it is."""
    return blake2b(f"hour:{tenant}:{lead}".encode(), digest_size=6).hexdigest()


class Drawn(Outgoing):
    """What a lead was drawn for in one experiment; the same one each time."""

    experiment: str
    variant: str
    propensity: Annotated[Probability, Field(description="chance of this variant when it was drawn")]


class Answered(Outgoing):
    """Of so many messages, how many were answered: by a click, a reply, or the lead coming back."""

    messages: Annotated[int, Field(ge=0)]
    rate: Probability


class Passed(Outgoing):
    """Of so many leads that settled in a stage of the journey (moved on, back, or got stuck), how many got through."""

    settled: Annotated[int, Field(ge=1)]
    through: Annotated[int, Field(ge=0)]


class Weights(Outgoing):
    """What was learned for one tenant."""

    experiments: dict[str, dict[str, Probability]] = Field(
        default={}, description="experiment -> variant -> chance that it is the best one"
    )
    hour: LocalHour | None = Field(default=None, description="in which leads answer most; null: not enough data")
    stage_hours: dict[Stage, LocalHour] = Field(
        default={},
        description="the same of leads in one stage, where enough is known of it; of all others `hour` counts",
    )
    hours: dict[LocalHour, tuple[str, ...]] = Field(
        default={}, description="leads with an hour of their own, by it; a lead is named by `name_of`"
    )
    channels: dict[Stage, dict[Channel, Answered]] = Field(default={}, description="by stage in which it was sent")

    journey: dict[str, Passed] = Field(
        default={}, description="stages of the tenant's journey in which enough leads have settled to tell a chance"
    )

    def hour_of(self, tenant: str, lead: str) -> int | None:
        """The lead's own hour; None: not known."""
        return self.own_hours.get(name_of(tenant, lead)) if self.hours else None

    @cached_property
    def own_hours(self) -> Mapping[str, int]:
        """By the names of leads."""
        return {name: hour for hour, names in self.hours.items() for name in names}


class WeightsPublished(Outgoing):
    """One version of what was learned. It changes nothing until an `activate` record names it."""

    v: Literal[1] = 1
    type: Literal["weights_published"] = "weights_published"
    id: MessageId
    tenant: Whose
    at: Annotated[UtcTime, Field(description="of the newest outcome that it rests on")]
    version: str
    weights: Annotated[dict[Whose, Weights], Field(description="by tenant; `*`: of those without their own")]
