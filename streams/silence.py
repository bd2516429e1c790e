"""When to look at a silent lead again, so that a million of them cost almost nothing and none is late.

In silence the risk only rises (streams/vector.py). So if it would still be in the same stage at `now + ahead`, nothing can
happen before then. Looking ahead as far as the lead has been silent already doubles the step each time: about ten looks in a
lead's whole silent life. When a crossing lies within the step, the step is halved until nothing happens within it: the next
look then comes closer. Most leads are back before it matters, and the crossing is never searched for.
"""

from collections.abc import Callable

import numpy as np

from streams.features import DAY, Floats, Ints

FIRST_LOOK = 0.25 * DAY
LONGEST_STEP = 30 * DAY
PRECISION = 1800.0
"""A crossing is met to within half an hour."""


def next_looks(silent_since: Floats, now: float, stages: Ints, stage_at: Callable[[Ints, Floats], Ints]) -> Floats:
    """For each lead the time of its next look (epoch seconds, after `now`).

    Args:
        silent_since: newest event of each lead.
        now: stream time.
        stages: level each lead is in now by its probability alone.
        stage_at: (positions, times) -> level of those leads at those times if they stay silent.
    """
    high = now + np.clip(now - silent_since, FIRST_LOOK, LONGEST_STEP)
    everyone = np.arange(len(stages))
    crossing = everyone[stage_at(everyone, high) > stages] if len(stages) else everyone
    while len(crossing := crossing[high[crossing] - now > PRECISION]):  # each lead by itself, whoever else is due
        middle = (now + high[crossing]) / 2
        high[crossing] = middle
        crossing = crossing[stage_at(crossing, middle) > stages[crossing]]
    return high
