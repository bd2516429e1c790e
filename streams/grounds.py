"""What the risk of leads that change their stage rests on, worked out for several of them at once.

What a prediction, an explanation and a forecast cost is mostly per call: for a lead by itself half a millisecond, among many
a fifth of that. So leads that are looked at together are taken together as soon as the rules ask for one of them; as long
as nobody asks, nothing is worked out. No result depends on who else is there.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from streams.features import Floats, Ints, Rows
from streams.hazard import Forecast
from streams.risk import Scorer
from streams.vector import vectors


class Before(NamedTuple):
    """An earlier moment to compare with: when it was, the risk then, and the families' effects on it."""

    at: float
    probability: float
    effects: Floats


class Grounds:
    """Leads that one scorer judges.

    Args:
        scorer: Judges them.
        x: Their feature vectors now, a row each.
        rows: Their signs (`ROW`), of which the vectors are made.
        now: Stream time of each, epoch seconds.
    """

    def __init__(self, scorer: Scorer, x: Floats, rows: Rows, now: Floats) -> None:
        """Nothing is worked out yet."""
        self._scorer, self._x, self._rows, self._now = scorer, x, rows, now

    @cached_property
    def effects(self) -> Floats:
        """Effects of the families (columns) on the log-odds of each lead."""
        return self._scorer.effects(self._x)

    @cached_property
    def forecasts(self) -> Sequence[Forecast | None]:
        """When each lead will be lost; None: the version that judges does not know."""
        return self._scorer.forecasts(self._x)

    @cached_property
    def at_last(self) -> Sequence[Before | None]:
        """What was true right after each lead's newest event, since when only time has passed.

        None where that event is of this moment: what was before it is not known any more.
        """
        last = self._rows["last"].astype(np.float64)
        silent = np.flatnonzero((last > 0) & (last < self._now))
        found: list[Before | None] = [None] * len(last)
        if len(silent):
            then = vectors(self._rows[silent], last[silent])
            p, effects = self._scorer.score(then).tolist(), self._scorer.effects(then)
            for i, at, probability, effect in zip(silent.tolist(), last[silent].tolist(), p, effects, strict=True):
                found[i] = Before(at, probability, effect)
        return found


class Ground(NamedTuple):
    """One lead among others."""

    among: Grounds
    place: int

    @property
    def effects(self) -> Floats:
        """See `Grounds`."""
        return np.asarray(self.among.effects[self.place])

    @property
    def forecast(self) -> Forecast | None:
        """See `Grounds`."""
        return self.among.forecasts[self.place]

    @property
    def at_last(self) -> Before | None:
        """See `Grounds`."""
        return self.among.at_last[self.place]


def grounds_of(scorers: Sequence[Scorer], which: Ints, x: Floats, rows: Rows, now: Floats) -> list[Ground]:
    """Each lead's ground, in order; `which` says the index of the scorer that judges it."""
    found: dict[int, Ground] = {}
    for index in np.unique(which).tolist():
        mine = np.flatnonzero(which == index)
        together = Grounds(scorers[index], x[mine], rows[mine], now[mine])
        found.update((i, Ground(together, place)) for place, i in enumerate(mine.tolist()))
    return [found[i] for i in range(len(which))]
