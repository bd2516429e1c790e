"""How told risks turned out stage by stage and segment by segment; in each, the share of warnings that were false alarms.

A segment is what a lead belongs to by nature: its tenant, its region, and how long it is known (a newcomer has little
history to judge by). Fewer rows than `LEAST` of one are not told: a share of them would be chance.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from streams.features import Bools, Floats, Ints
from streams.measure import off_at_least

LEAST = 100
MOST = 20
"""Segments of one kind that are told, the largest."""
AGES = (
    (0.0, "known under 7 days"),
    (7.0, "known 7 to 30 days"),
    (30.0, "known 30 to 180 days"),
    (180.0, "known longer"),
)


class StageGrade(NamedTuple):
    """Leads that stood in one stage: how likely was told, how many did go quiet, and who did not (false alarms)."""

    stage: int
    rows: int
    told: float
    seen: float

    @property
    def false_alarms(self) -> float:
        """Share that did not go quiet."""
        return 1.0 - self.seen


class SegmentGrade(NamedTuple):
    """Leads of one segment: told and seen, by how much these are surely apart, who was warned of, and how that went."""

    kind: str
    name: str
    rows: int
    told: float
    seen: float
    off: float
    warned: float
    false_alarms: float | None
    lift: float | None
    """How many times more went quiet among those warned of than among all of the segment."""


def by_stage(stages: Ints, p: Floats, y: Floats) -> tuple[StageGrade, ...]:
    """Stages that somebody stood in, rising."""
    return tuple(
        StageGrade(i, int(here.sum()), float(p[here].mean()), float(y[here].mean()))
        for i in range(4)
        if (here := stages == i).any()
    )


def by_segment(
    leads: Ints, ages: Floats, stages: Ints, p: Floats, y: Floats, traits: Mapping[str, Sequence[str]]
) -> tuple[SegmentGrade, ...]:
    """Segments with rows enough, largest first in each kind.

    Args:
        leads: whose row it is.
        ages: days that the lead was known when it was judged.
        stages: in which it stood.
        p: what was told.
        y: what came true.
        traits: kind of segment -> its name for each lead.
    """
    found: list[SegmentGrade] = []
    for kind, some in _kinds(leads, ages, traits):
        names = sorted((name for name in some if some[name].sum() >= LEAST), key=lambda name: -int(some[name].sum()))
        for name in names[:MOST]:
            at = some[name]
            found += [_graded(kind, name, leads[at], stages[at], p[at], y[at])]
    return tuple(found)


def _kinds(leads: Ints, ages: Floats, traits: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, dict[str, Bools]]]:
    place = np.searchsorted([start for start, _ in AGES], ages, "right") - 1
    yield "age", {name: place == i for i, (_, name) in enumerate(AGES)}
    for kind, names in traits.items():
        of = np.array(names, np.str_)[leads] if len(leads) else np.zeros(0, np.str_)
        yield kind, {str(name): of == name for name in np.unique(of) if name}


def _graded(kind: str, name: str, leads: Ints, stages: Ints, p: Floats, y: Floats) -> SegmentGrade:
    warned, rate = stages >= 1, float(y.mean())
    hit = float(y[warned].mean()) if warned.any() else None
    return SegmentGrade(
        kind,
        name,
        len(y),
        float(p.mean()),
        rate,
        off_at_least(p, y, leads),
        float(warned.mean()),
        None if hit is None else 1.0 - hit,
        hit / rate if hit is not None and rate > 0 else None,
    )
