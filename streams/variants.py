"""Which text a lead gets: drawn by a hash against the weights in force, and from then on always the same one.

Nothing is drawn by chance: the hash of tenant and lead, salted with the experiment's name, falls into one of the shares. So
a replay draws alike, and the chance with which it was drawn (the propensity) is known and written down. A lead keeps its
variant when the weights change; only where that variant is stopped it is drawn again.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from schemas.units import Channel
from schemas.weights import Drawn
from streams.holdout import BUCKETS
from streams.ids import bucket
from streams.playbook import template_of
from streams.record import Draw

if TYPE_CHECKING:
    from streams.experiments import Experiment
    from streams.plays import Step
    from streams.rules import Case


class Wording(NamedTuple):
    """The template that is sent, and the draw by which it took its place; None: nothing was drawn."""

    template: str
    draw: Draw | None


def worded(case: Case, step: Step, channel: Channel) -> Wording:
    """What the step says to this lead by this channel."""
    template = template_of(step, channel)
    found = case.policy.experiment_on.get(template)
    if found is None:
        return Wording(template, None)
    experiment = case.policy.experiments[found]
    draw = sticky(case, found, probabilities(experiment, case.desk.weights.experiments.get(found, {})))
    return Wording(experiment.variants[draw.variant].template, draw)


def sticky(case: Case, experiment: str, chances: Mapping[str, float]) -> Draw:
    """What the lead was drawn for before, if that is still on; else what it is drawn for now."""
    kept = case.record.drawn.get(experiment)
    return kept if kept is not None and kept.variant in chances else drawn(experiment, chances, case.tenant, case.lead)


def probabilities(experiment: Experiment, learned: Mapping[str, float]) -> dict[str, float]:
    """Chance of each variant that is not stopped; they add up to 1."""
    return chances_of(running(experiment), learned if experiment.learn else {}, experiment.floor)


def chances_of(weights: Mapping[str, float], learned: Mapping[str, float], floor: float) -> dict[str, float]:
    """Chances by what was learned, if all of these were known then, each with the floor; else by the weights as written."""
    best = {name: learned.get(name, 0.0) for name in weights}
    if weights.keys() <= learned.keys() and (total := sum(best.values())) > 0:
        room = 1.0 - floor * len(weights)
        return {name: floor + room * chance / total for name, chance in best.items()}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def running(experiment: Experiment) -> dict[str, float]:
    """Weights of the variants that are not stopped."""
    return {name: variant.weight for name, variant in experiment.variants.items() if variant.weight > 0}


def drawn(experiment: str, chances: Mapping[str, float], tenant: str, lead: str) -> Draw:
    """The share into which this lead's hash falls."""
    point = (bucket(f"experiment:{experiment}", tenant, lead, BUCKETS) + 0.5) / BUCKETS
    shares = zip(chances, accumulate(chances.values()), strict=True)
    variant = next((name for name, reached in shares if point < reached), list(chances)[-1])
    return Draw(experiment, variant, round(chances[variant], 6))


def told(draw: Draw) -> Drawn:
    """It as it is published."""
    return Drawn(experiment=draw.experiment, variant=draw.variant, propensity=draw.propensity)
