"""What the policies of many leads say about risk, in columns: so that most leads are settled without looking at each.

The same rules as `stage.next_stage` and the publishing rule, for the question that most messages end with: does anything
move at all?
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from streams.features import DAY, Bools, Floats, Ints, Rows
from streams.policy import Policy
from streams.stage import felt
from streams.vector import COLUMN

_SILENT = COLUMN["silent_days"]


class Limits(NamedTuple):
    """A row per lead. `enter`, `leave`: probabilities of the three stages; `least_change`: worth publishing."""

    enter: Floats
    leave: Floats
    grace_days: Floats
    least_change: Floats
    forget_seconds: Floats

    def at(self, where: Ints | Bools | list[int]) -> "Limits":
        """Those of some of the leads."""
        return Limits(*(column[where] for column in self))

    def level(self, p: Floats) -> Ints:
        """0 low to 3 critical: how many of the thresholds these probabilities reach."""
        return np.asarray((p[:, None] >= self.enter).sum(axis=1))

    def felt(self, p: Floats, x: Floats) -> Floats:
        """What of these probabilities the stages go by."""
        return felt(p, x[:, _SILENT], self.grace_days)

    def stage_moves(self, held: Rows, p: Floats) -> Bools:
        """Whether the stage held differs from where a lead of this felt probability stands: higher, or too low to stay."""
        stage = held["stage"].astype(np.int64)
        stays = (p[:, None] >= self.leave).sum(axis=1)
        return np.asarray((self.level(p) > stage) | (stays < stage))


def limits_of(policies: Sequence[Policy], which: Ints) -> Limits:
    """Limits of each lead, where `which` says the index of its policy."""
    columns = zip(*map(_row, policies), strict=True)
    return Limits(*(np.array(column)[which] for column in columns))


def _row(policy: Policy) -> tuple[tuple[float, ...], tuple[float, ...], float, float, float]:
    stages, publish = policy.stages, policy.publish
    leave = tuple(t - stages.hysteresis for t in stages.enter)
    return stages.enter, leave, stages.grace_days, publish.min_change, publish.forget_silent_after_days * DAY
