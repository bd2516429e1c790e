"""What a step offers this lead: drawn among the offers of its stage, like the variants of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streams.offers import ACTION, FLOOR, PREFIX, running_offers
from streams.stage import ORDER
from streams.variants import chances_of, sticky

if TYPE_CHECKING:
    from streams.offers import Offer
    from streams.plays import Step
    from streams.record import Draw
    from streams.rules import Case


class Offered(NamedTuple):
    """The offer, and the draw that chose it."""

    offer: Offer
    draw: Draw


def offered(case: Case, step: Step, stage: int) -> Offered | None:
    """What a step of this stage offers this lead; None: nothing."""
    if step.action != ACTION or not case.policy.offers:
        return None
    weights, name = running_offers(case.policy, ORDER[stage]), f"{PREFIX}{ORDER[stage]}"
    if not weights:
        return None
    learned = case.desk.weights.experiments.get(name, {})
    draw = sticky(case, name, chances_of(weights, learned, FLOOR))
    return Offered(case.policy.offers[draw.variant], draw)


def priced(case: Case, step: Step, stage: int) -> Step:
    """The step with what its offer costs."""
    found = offered(case, step, stage)
    return step if found is None else step.model_copy(update={"cost_cents": step.cost_cents + found.offer.cost_cents})
