"""Features known only after the label: the log as it was known at some snapshots, held against what it tells of them today.

Training sees only what was known, so such a feature teaches nothing false; but live it comes too late just where it would
matter, and in a log without times of writing (`time.known` of a mapping) it would have been believed.
"""

from collections.abc import Sequence

import numpy as np

from agents.snapshots import ActivityLog, Snapshot
from streams.baselines import Alone
from streams.leaks import known_after
from streams.vector import NAMES

LOOKS = 3
"""Snapshots that are looked at: each is one more pass over the log."""
LEAST_EITHER = 50
"""Rows of either fate under which nothing is said."""


def written_after(log: ActivityLog, shots: Sequence[Snapshot]) -> tuple[str, ...]:
    """A sentence for each such feature; nothing where everything was known as it happened."""
    some = [shots[i] for i in np.unique(np.linspace(0, len(shots) - 1, LOOKS).astype(np.int64)).tolist()]
    if not log.written_late.any():
        return ()
    y = np.concatenate([shot.y for shot in some])
    if min(y.sum(), len(y) - y.sum()) < LEAST_EITHER:
        return ()
    known = np.concatenate([shot.x for shot in some])
    later = np.concatenate([log.in_hindsight(shot.t, shot.leads) for shot in some])
    moved = [i for i in range(len(NAMES)) if not np.array_equal(known[:, i], later[:, i], equal_nan=True)]
    return known_after(
        {NAMES[i]: Alone.fit(known[:, i], y) for i in moved}, {NAMES[i]: Alone.fit(later[:, i], y) for i in moved}
    )
