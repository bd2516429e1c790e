"""What is offered to whom: by stage, one of the policy's offers, drawn like the variants of an experiment (`offering`).

A step whose action is `special_offer` carries the offer that the lead was drawn for among those of its stage, and costs what
it costs, on top of the step and the channel: the arbiter's budget and approvals go by the sum. How often one may come at
all is the gap of the action (`caps.action_gap_hours`). What an offer brings is told by `leadkeeper learn report`, against the
held-out leads that would have got it; and where it learns, the better one is drawn more often.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from schemas.units import Probability, Stage
from streams.thresholds import Section

if TYPE_CHECKING:
    from streams.policy import Policy

ACTION = "special_offer"
FLOOR: Probability = 0.05
PREFIX = "offer_"
"""Of the names of these draws; the stage follows."""


class Offer(Section):
    """Something to give."""

    words: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="in templates: offer_words")
    stages: Annotated[frozenset[Stage], Field(min_length=1)]
    cost_cents: Annotated[float, Field(ge=0)] = Field(description="to the tenant, if it is taken")
    weight: Annotated[float, Field(ge=0)] = Field(
        default=1.0, description="share, beside others of the stage; 0: stopped"
    )


def running_offers(policy: Policy, stage: Stage) -> dict[str, float]:
    """Weights of the offers of a stage that are not stopped."""
    return {name: one.weight for name, one in policy.offers.items() if stage in one.stages and one.weight > 0}
