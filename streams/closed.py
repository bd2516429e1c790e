"""From when to when a lead was closed, as it was known: training and grading leave out who was, as live is not asked of them.

The rule is that of `streams.life`: closed from when the closing is heard, until a sign of life is heard that is not older than
that. One that is told later and dated before brings nobody back.
"""

from collections.abc import Iterable
from typing import NamedTuple, Self

import numpy as np

from streams.features import Floats, Ints


class Told(NamedTuple):
    """A closing or a sign of life: whose, when it happened, when it was known (epoch seconds)."""

    lead: int
    at: float
    known: float
    closing: bool


class Closed(NamedTuple):
    """Times for which leads were closed, in any order: whose, from when, until when (infinite: to this day)."""

    leads: Ints
    begins: Floats
    ends: Floats

    def at(self, t: float) -> Ints:
        """Leads that were closed by what was known before t."""
        return self.leads[(self.begins < t) & (self.ends >= t)]

    @classmethod
    def of(cls, spells: Iterable[tuple[int, float, float]]) -> Self:
        """From rows."""
        rows = list(spells)
        ends = (np.array([row[i] for row in rows], np.float64) for i in (1, 2))
        return cls(np.array([row[0] for row in rows], np.int64), *ends)


NOBODY = Closed.of(())


def closed(told: Iterable[Told]) -> Closed:
    """What closings and signs of life come to.

    Args:
        told: in the order in which it became known. Signs of leads that were not closed before may be left out.
    """
    spells: list[tuple[int, float, float]] = []
    since: dict[int, list[float]] = {}
    for one in told:
        if one.closing:
            since.setdefault(one.lead, []).append(one.known)
        elif one.lead in since and one.at >= since[one.lead][-1]:
            spells += [(one.lead, begin, one.known) for begin in since.pop(one.lead)]
    return Closed.of([*spells, *((lead, begin, np.inf) for lead, begins in since.items() for begin in begins)])
