"""When a challenger may take the champion's place. Each refusal is a sentence; none means it may.

Both are held against the same snapshots, all later than what either was trained on. A lead stands in many snapshots, so
chance is judged over leads, not rows: a paired bootstrap draws leads with replacement and looks at the difference of the
mean log loss. The bounds are those of notes on practice: the 95 % interval has to lie below zero, the calibration error may
rise by 0.01, the average precision by no more than chance fall, and no stage's volume may move by over a quarter unasked.
How long a row takes to score is measured by the caller: it may double, which changes no count of machines by itself (a row's
score is some hundredth to a tenth of what an event costs); beyond, workers would fall behind for a better figure on paper.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from streams.features import Floats, Ints
from streams.measure import average_precision, ece, log_loss
from streams.stage import ORDER

DRAWS = 1_000
"""Bootstrap samples: the ends of a 95 % interval then rest on 25 of them each."""
LEAST_LEADS, LEAST_EITHER = 200, 20
"""Leads, and rows of either fate, without which nothing is known yet."""
MOST_ECE_RISE = 0.01
MOST_AP_FALL = 0.001
MOST_VOLUME_MOVE = 0.25
FEW = 20
"""A stage whose volume moves by fewer rows than this is not looked at: chance alone does that."""

MOST_SLOWDOWN = 2.0
"""Times the champion's: less could be the noise of a busy machine, more is another size of trees."""
FREE_US = 10.0
"""Microseconds a row that are never too slow, whatever the champion takes (the rule: 0.1): a fifth of an event's 47 in all."""


class Chance(Protocol):
    """Where draws come from (numpy's `Generator`), seeded by the caller: the same seed gives the same verdict."""

    def integers(self, low: int, high: int, size: int) -> Ints:
        """So many whole numbers from `low` to below `high`."""


class Judged(NamedTuple):
    """One model's say about each row: probability, and score before calibration for the order."""

    p: Floats
    rank: Floats


class Held(NamedTuple):
    """A figure of both."""

    champion: float
    challenger: float


class Verdict(NamedTuple):
    """What the comparison found.

    Attributes:
        refusals: Why not, in words; empty: the challenger may take over.
        rows: Judged.
        leads: Judged.
        log_loss: Of both.
        difference: Of the log loss, challenger less champion: 2.5 %, mean, 97.5 %. Below zero is better.
        ece: Calibration error of both.
        average_precision: Of both.
        volumes: Rows at or above each stage's threshold, by stage.
        pace: Microseconds in which each scores a row; None: not measured.
    """

    refusals: tuple[str, ...]
    rows: int
    leads: int
    log_loss: Held
    difference: tuple[float, float, float]
    ece: Held
    average_precision: Held
    volumes: dict[str, Held]
    pace: Held | None = None

    @property
    def promote(self) -> bool:
        """Whether the challenger may take over."""
        return not self.refusals


def compare(
    champion: Judged,
    challenger: Judged,
    y: Floats,
    leads: Ints,
    thresholds: Sequence[float],
    chance: Chance,
    *,
    volumes_may_move: bool = False,
    flags: Sequence[str] = (),
    pace: Held | None = None,
) -> Verdict:
    """Hold a challenger against the champion.

    Args:
        champion: what judges now, on each row.
        challenger: what wants to.
        y: what came true, 1 = went quiet.
        leads: whose row it is.
        thresholds: probabilities at which the stages begin, rising.
        chance: where draws come from.
        volumes_may_move: the stages' volumes are expected to change.
        flags: signs that the challenger saw the answer in training (`streams.leaks`).
        pace: microseconds in which each scores a row, measured in turns on the same rows; None: not known.
    """
    found, numbers = np.unique(leads, return_inverse=True)
    difference = _difference(_loss(challenger.p, y) - _loss(champion.p, y), numbers, len(found), chance)
    quiet = int(y.sum())
    losses = Held(log_loss(champion.p, y), log_loss(challenger.p, y))
    errors = Held(ece(champion.p, y), ece(challenger.p, y))
    known = 0 < quiet < len(y)
    precision = (
        Held(average_precision(champion.rank, y), average_precision(challenger.rank, y))
        if known
        else Held(float("nan"), float("nan"))
    )
    volumes = {
        str(stage): Held(float((champion.p >= t).sum()), float((challenger.p >= t).sum()))
        for stage, t in zip(ORDER[1:], thresholds, strict=True)
    }
    refusals = [f"it may have seen the answer: {flag}" for flag in flags]
    if len(found) < LEAST_LEADS or min(quiet, len(y) - quiet) < LEAST_EITHER:
        refusals.append(
            f"not known yet: {len(found)} leads, {quiet} rows that went quiet and {len(y) - quiet} that did not; "
            f"{LEAST_LEADS} leads and {LEAST_EITHER} rows of either are needed"
        )
    if not difference[2] < 0:
        refusals.append(
            f"not surely better: the log loss changes by {difference[1]:+.4f}, with 95 % between {difference[0]:+.4f} "
            f"and {difference[2]:+.4f}"
        )
    if errors.challenger > errors.champion + MOST_ECE_RISE:
        refusals.append(
            f"worse calibrated: the calibration error is {errors.challenger:.3f}, the champion's {errors.champion:.3f}"
        )
    if precision.challenger < precision.champion - MOST_AP_FALL:
        refusals.append(
            f"ranks worse: average precision {precision.challenger:.3f}, the champion's {precision.champion:.3f}"
        )
    if not volumes_may_move:
        refusals += [_moved(stage, *held) for stage, held in volumes.items() if _moves(*held)]
    if pace is not None and pace.challenger > max(MOST_SLOWDOWN * pace.champion, FREE_US):
        refusals.append(
            f"slower: it scores a row in {pace.challenger:.1f} us, the champion in {pace.champion:.1f}; "
            f"{MOST_SLOWDOWN:g} times as much or {FREE_US:g} us may it be: train it with fewer or smaller trees"
        )
    return Verdict(tuple(refusals), len(y), len(found), losses, difference, errors, precision, volumes, pace)


def _loss(p: Floats, y: Floats) -> Floats:
    safe = np.clip(p, 1e-9, 1 - 1e-9)
    return np.asarray(-(y * np.log(safe) + (1 - y) * np.log1p(-safe)))


def _difference(rows: Floats, numbers: Ints, leads: int, chance: Chance) -> tuple[float, float, float]:
    """Mean difference per row with the ends of its 95 % interval, over leads drawn with replacement."""
    total, count = np.bincount(numbers, rows, leads), np.bincount(numbers, minlength=leads)
    means = np.empty(DRAWS)
    for i in range(DRAWS):
        drawn = chance.integers(0, leads, leads)
        means[i] = total[drawn].sum() / count[drawn].sum()
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(rows.mean()), float(high)


def _moves(before: float, after: float) -> bool:
    return abs(after - before) > max(FEW, MOST_VOLUME_MOVE * before)


def _moved(stage: str, before: float, after: float) -> str:
    share = f"{after / before - 1:+.0%}" if before else "from none"
    return (
        f"moves the volume of {stage}: {after:,.0f} rows instead of {before:,.0f} ({share}); teams would feel that: "
        "say --volumes-may-move if it is meant"
    )
