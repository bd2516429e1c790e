"""Whether a rate has changed, and since when: ADWIN.

Bifet and Gavalda 2007, "Learning from time-changing data with adaptive windowing", SIAM Data Mining. A window grows with what
comes, and its older part is dropped when the two parts of any split of it differ by more than chance explains:

    |mean of the older - mean of the newer| >= sqrt(2 v d / m) + 2 d / (3 m),   d = ln(2 ln(n) / delta), 1/m = 1/n0 + 1/n1

with v the variance of the whole window (their section 4). As in ADWIN2, splits lie at distances from the newest that grow
by a fixed factor, so that a step costs the logarithm of the window. Values have to be independent and between 0 and 1.
The libraries that have it (river) bring scipy and pandas, which are larger than all of this program.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from streams.features import Bools, Floats

DELTA = 0.002
"""The authors' confidence: chance of a false alarm at a split, by the bound; it is much less in practice."""
EVERY = 32
"""Values between two looks (the authors' own choice in their implementation)."""
LEAST = 64
"""Values of either part, without which a split is not looked at."""
GROWS = 1.2


class Change(NamedTuple):
    """A change: the place from which on values are others, where it was seen, and the means between changes on both sides."""

    since: int
    seen: int
    before: float
    after: float


def changes(values: Floats, delta: float = DELTA) -> list[Change]:
    """All changes in a sequence, oldest first."""
    sums, squares = (np.concatenate([[0.0], np.cumsum(v)]) for v in (values, values**2))
    cuts, start = [], 0
    for end in range(2 * LEAST, len(values) + 1, EVERY):
        while (cut := _cut(sums, squares, start, end, delta)) is not None:
            cuts.append((cut, end))
            start = cut
    if not cuts:
        return []
    means = [_mean(sums, *part) for part in pairwise([0, *(cut for cut, _ in cuts), len(values)])]
    return [Change(cut, end, *both) for (cut, end), both in zip(cuts, pairwise(means), strict=True)]


def _cut(sums: Floats, squares: Floats, start: int, end: int, delta: float) -> int | None:
    """Where the window is to be cut: at the split that is farthest beyond its bound; None: nowhere."""
    n = end - start
    if n < 2 * LEAST:
        return None
    steps = int(np.log((n - LEAST) / LEAST) / np.log(GROWS)) + 1
    newer = np.unique(np.minimum(LEAST * GROWS ** np.arange(steps), n - LEAST).astype(np.int64))
    older = n - newer
    total, mean = sums[end] - sums[start], (sums[end] - sums[start]) / n
    variance = max((squares[end] - squares[start]) / n - mean**2, 0.0)
    late = sums[end] - sums[end - newer]
    gap = np.abs(late / newer - (total - late) / older)
    inverse = 1 / newer + 1 / older
    d = np.log(2 * np.log(n) / delta)
    beyond: Floats = gap - (np.sqrt(2 * variance * d * inverse) + 2 / 3 * d * inverse)
    far: Bools = beyond >= 0
    return int(end - newer[int(np.argmax(beyond))]) if far.any() else None


def _mean(sums: Floats, start: int, end: int) -> float:
    return float((sums[end] - sums[start]) / (end - start))
