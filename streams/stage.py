"""Probability -> stage, with hysteresis and a minimum dwell, so that nothing flaps.

A stage is entered when the probability reaches its threshold (>=) and left when it falls below threshold - hysteresis,
but not before the stage has lasted `dwell`. Going up needs no dwell: a lead in danger is never kept waiting.
"""

from typing import NamedTuple

import numpy as np

from schemas.units import Stage
from streams.features import Floats

ORDER: tuple[Stage, ...] = (Stage.NONE, Stage.EARLY_WARNING, Stage.ACTIVE_RISK, Stage.CRITICAL_RISK)


class Move(NamedTuple):
    """The stage now (index into ORDER) and, while a way down is held up by dwell, when to look again."""

    stage: int
    look_again: float | None


def next_stage(
    current: int,
    since: float,
    probability: float,
    now: float,
    enter: tuple[float, float, float],
    hysteresis: float,
    dwell: float,
) -> Move:
    """Where the lead stands now.

    Args:
        current: index into ORDER.
        since: when the current stage was entered, epoch seconds.
        probability: risk now, 0 to 1.
        now: stream time, epoch seconds.
        enter: thresholds of the three stages, rising.
        hysteresis: how far below its threshold a stage is left.
        dwell: seconds a stage lasts at least before it may fall.
    """
    up = sum(probability >= t for t in enter)
    if up >= current:
        return Move(up, None)
    stay = sum(probability >= t - hysteresis for t in enter)
    target = min(current, stay)
    if target == current:
        return Move(current, None)
    if now - since < dwell:
        return Move(current, since + dwell)
    return Move(target, None)


def felt(probability: Floats | float, silent_days: Floats | float, grace_days: Floats | float) -> Floats:
    """The probability the stage goes by: 0 while the last sign of life is fresher than the grace period. Of one lead or of many.

    Whatever a model says of the coming months, nobody is told "we miss you" on the day of a purchase.
    """
    return np.where(np.less(silent_days, grace_days), 0.0, probability)


def skipped(before: int, after: int) -> tuple[Stage, ...]:
    """Stages jumped over on the way up; they are named in the decision."""
    return ORDER[before + 1 : after]
