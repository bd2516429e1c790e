"""When to look at a silent lead again, so that a million of them cost almost nothing and none is late.

In silence the risk only rises (streams/vector.py). So if it would still be in the same stage at `now + ahead`, nothing can
happen before then. Looking ahead as far as the lead has been silent already doubles the step each time: about ten looks in a
lead's whole silent life. When a crossing lies within the step, bisection finds it.
"""

from collections.abc import Callable

import numpy as np

from streams.features import DAY, Floats, Ints

FIRST_LOOK = 0.25 * DAY
LONGEST_STEP = 30 * DAY
PRECISION = 1800.0
"""A crossing is found to within half an hour."""


def next_looks(silent_since: Floats, now: float, stages: Ints, stage_at: Callable[[Ints, Floats], Ints]) -> Floats:
    """For each lead the time of its next look (epoch seconds, after `now`).

    Args:
        silent_since: newest event of each lead.
        now: stream time.
        stages: level each lead is in now by its probability alone.
        stage_at: (positions, times) -> level of those leads at those times if they stay silent.
    """
    ahead = np.clip(now - silent_since, FIRST_LOOK, LONGEST_STEP)
    low, high = np.full(len(stages), now), now + ahead
    everyone = np.arange(len(stages))
    crossing = everyone[stage_at(everyone, high) > stages] if len(stages) else everyone
    while len(
        crossing := crossing[high[crossing] - low[crossing] > PRECISION]
    ):  # each lead by itself, whoever else is due
        middle = (low[crossing] + high[crossing]) / 2
        crossed = stage_at(crossing, middle) > stages[crossing]
        high[crossing[crossed]] = middle[crossed]
        low[crossing[~crossed]] = middle[~crossed]
    return high
