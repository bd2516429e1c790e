"""Stages and looks, rule by rule, as tables. Stories of how rules work together: tests/stories."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from schemas.units import Stage
from streams.features import DAY, HOUR
from streams.silence import FIRST_LOOK, LONGEST_STEP, PRECISION, next_looks
from streams.stage import Move, felt, next_stage, skipped


@pytest.mark.parametrize(
    ("current", "hours_in", "probability", "expected", "look_again_h"),
    [
        (0, 0, 0.29, 0, None),
        (0, 0, 0.30, 1, None),
        (0, 0, 0.60, 2, None),
        (0, 0, 0.95, 3, None),
        (2, 0, 0.80, 3, None),  # up needs no dwell
        (2, 100, 0.50, 2, None),  # stays until below 0.50
        (2, 100, 0.49, 1, None),
        (2, 23, 0.49, 2, 24),  # held up by dwell
        (2, 24, 0.49, 1, None),
        (3, 100, 0.05, 0, None),
        (1, 100, 0.25, 1, None),
        (1, 100, 0.19, 0, None),
    ],
)
def test_stage(current: int, hours_in: float, probability: float, expected: int, look_again_h: float | None) -> None:
    """Entered at its threshold, left 0.1 below it, not before 24 hours."""
    move = next_stage(current, 0.0, probability, hours_in * HOUR, (0.3, 0.6, 0.8), 0.1, 24 * HOUR)
    assert move == Move(expected, None if look_again_h is None else look_again_h * HOUR)


def test_stages_jumped_over_are_named_and_grace_keeps_a_fresh_lead_calm() -> None:
    """Down is no jump; within the grace period nothing is felt."""
    assert skipped(0, 3) == (Stage.EARLY_WARNING, Stage.ACTIVE_RISK)
    assert skipped(0, 1) == skipped(3, 1) == ()
    assert felt(0.9, 0.99, 1.0) == 0.0
    assert felt(0.9, 1.0, 1.0) == 0.9


def test_a_look_is_never_late() -> None:
    """Looks come closer to a crossing and meet it within half an hour; else the step doubles, up to 30 days."""
    crossings = np.array([7 * HOUR, 3 * DAY, 50 * DAY, 1 * HOUR])
    silent = np.array([10 * DAY, 5 * DAY, 100 * DAY, 1 * DAY])

    def stage_at(crossing: Any, positions: Any, times: Any) -> Any:
        return (times >= crossing[positions]).astype(int)

    together = next_looks(-silent, 0.0, np.zeros(4, int), partial(stage_at, crossings))
    assert together[2] == LONGEST_STEP
    for i, crossing in enumerate(crossings.tolist()):
        at = partial(stage_at, crossings[[i]])
        now, looks = 0.0, 0
        while now < crossing:
            look = float(next_looks(-silent[[i]], now, np.zeros(1, int), at)[0])
            assert looks or look == together[i]  # whoever else is asked about
            assert now < look <= max(crossing + PRECISION, now + PRECISION)
            now, looks = look, looks + 1
        assert looks <= 25
    assert next_looks(np.array([0.0]), 0.0, np.zeros(1, int), lambda p, _: np.zeros(len(p), int))[0] == FIRST_LOOK
