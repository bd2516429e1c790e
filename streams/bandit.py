"""What experiments have shown: how each variant did, and how likely each is the best (Thompson sampling, without the dice).

Thompson sampling draws a variant as often as it is the best under what is known. That chance is worked out here, exactly and
once for a batch, and published; who gets what is then decided by a hash (`variants`). So the same outcomes give the same
weights, and a replay draws alike. Four things keep it honest:

    one row a lead    a lead that got a variant several times counts once, by its first message
    delayed credit    only messages whose attribution window has closed: else quick successes would be seen first
    propensity        each row weighs 1 / the chance with which it was drawn, or a variant that was drawn more often in good
                      weeks would look better than it is (Hajek's estimate)
    goals             who was kept, converted or answered. Opens are shown, and decide nothing
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

from streams.experiments import Goal
from streams.features import Floats
from streams.intervals import half_width

WORDS: dict[Goal, str] = {"kept": "stayed", "converted": "converted", "responded": "answered"}
GRID = 4_001
LEAST_EACH = 20
"""Leads of a variant before anything is said of it."""


class Trial(NamedTuple):
    """A lead's first message in an experiment, its window closed: what it got, with what chance, and what came of it."""

    variant: str
    propensity: float
    success: bool
    engaged: bool


class Arm(NamedTuple):
    """How a variant did. Rates weigh each lead by 1 / propensity; `n` is what so many weighted leads are worth."""

    leads: int
    n: float
    rate: float
    se: float
    opened: float
    best: float

    @property
    def interval(self) -> tuple[float, float]:
        """Around the rate; holds at all looks together (95 %)."""
        wide = half_width(self.se, self.leads)
        return max(self.rate - wide, 0.0), min(self.rate + wide, 1.0)


class Lead(NamedTuple):
    """The best variant against one other: difference of rates, and the interval around it, of all others at once."""

    other: str
    difference: float
    wide: float

    @property
    def sure(self) -> bool:
        """The interval excludes that there is no difference."""
        return abs(self.difference) > self.wide


class Shown(NamedTuple):
    """What an experiment has shown. `winner` only where it is surely better than every other variant.

    `held`: held-out leads, which would have got one of the variants.
    """

    arms: dict[str, Arm]
    leader: str
    leads: tuple[Lead, ...]
    winner: str | None
    held: Arm

    def gain(self, variant: str) -> Lead:
        """A variant against sending nothing."""
        return _against(self.arms[variant], self.held, "held out", len(self.arms))


def shown(variants: Sequence[str], trials: Sequence[Trial], held: Sequence[Trial] = ()) -> Shown:
    """How these variants did, as far as it is known."""
    found = {name: _arm([trial for trial in trials if trial.variant == name]) for name in variants}
    best = dict(zip(variants, chances_of_best([(arm.n * arm.rate, arm.n) for arm in found.values()]), strict=True))
    arms = {name: arm._replace(best=best[name]) for name, arm in found.items()}
    leader = max(arms, key=lambda name: arms[name].rate if arms[name].leads else -1.0)
    leads = tuple(_against(arms[leader], arms[name], name, len(arms) - 1) for name in arms if name != leader)
    enough = all(arm.leads >= LEAST_EACH for arm in arms.values())
    winner = leader if leads and enough and all(one.sure for one in leads) else None
    return Shown(arms, leader, leads, winner, _arm([one._replace(propensity=1.0) for one in held]))


def chances_of_best(counts: Sequence[tuple[float, float]]) -> list[float]:
    """For each variant, the chance that its rate is the highest. Adds up to 1.

    Rates are Beta(1 + successes, 1 + failures); P(i is best) is the integral of its density times the others' distribution
    functions, on a grid.

    Args:
        counts: successes and trials of each variant.
    """
    densities = [density(successes, n) for successes, n in counts]
    below = [np.cumsum(d) - d / 2 for d in densities]
    chances = np.array(
        [
            float(np.sum(d * np.prod([b for j, b in enumerate(below) if j != i], axis=0)))
            for i, d in enumerate(densities)
        ]
    )
    return [round(chance, 6) for chance in (chances / chances.sum()).tolist()]


def density(successes: float, n: float) -> Floats:
    """Of Beta(1 + successes, 1 + n - successes), as shares of the cells of a grid over 0 to 1."""
    rate = (np.arange(GRID) + 0.5) / GRID
    height = successes * np.log(rate) + (n - successes) * np.log1p(-rate)
    height = np.exp(height - height.max())
    return np.asarray(height / height.sum())


def plausible(successes: float, n: float) -> tuple[float, float]:
    """Between which rates 95 % of what is plausible lies."""
    below = np.cumsum(density(successes, n))
    low, high = ((np.searchsorted(below, q) + 0.5) / GRID for q in (0.025, 0.975))
    return float(low), float(high)


def _arm(trials: Sequence[Trial]) -> Arm:
    if not trials:
        return Arm(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    weight = np.array([1 / trial.propensity for trial in trials])
    success = np.array([trial.success for trial in trials], np.float64)
    total = weight.sum()
    rate = float((weight * success).sum() / total)
    n = float(total**2 / (weight**2).sum())
    # One success and one failure are added for the spread only: 20 of 20 is not certainty.
    smooth = (n * rate + 1) / (n + 2)
    opened = float((weight * np.array([trial.engaged for trial in trials], np.float64)).sum() / total)
    return Arm(len(trials), n, rate, sqrt(smooth * (1 - smooth) / n), opened, 0.0)


def _against(leader: Arm, other: Arm, name: str, comparisons: int) -> Lead:
    if not (leader.leads and other.leads):
        return Lead(name, leader.rate - other.rate, float("inf"))
    wide = half_width(sqrt(leader.se**2 + other.se**2), leader.leads + other.leads, 0.05 / comparisons)
    return Lead(name, leader.rate - other.rate, wide)


def weights_of(seen: Mapping[str, Shown]) -> dict[str, dict[str, float]]:
    """What is published: by experiment, the chance of each variant that it is the best."""
    return {name: {variant: arm.best for variant, arm in one.arms.items()} for name, one in seen.items()}
