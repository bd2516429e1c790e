"""How early we knew: of the leads that were lost, who stood in a stage (or above), how long before; and at what volume.

Told twice, since both are asked for: before the last sign of life, when a lead still looks alive and nobody can know much,
and before the day on which the lead counts as lost (a silence as long as the horizon, or the closing). Next to each stands
how many leads would have had to be contacted: a curve without its volume says nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from streams.features import DAY, Bools, Ints
from streams.labels import Moments

DAYS_BEFORE = (7.0, 14.0, 30.0)
LEAST_LOST = 20
"""Lost leads under which no share of them is told."""


class Warned(NamedTuple):
    """Shares of lost leads that were warned of, by days before; None where too few were judged so long before."""

    days: tuple[float, ...]
    before_last_sign: tuple[float | None, ...]
    before_lost: tuple[float | None, ...]
    contacted: float
    """Share of all judged leads that stood in the stage: the volume all of that takes."""
    median_days: float | None
    """Of lost leads that were warned of in time: from the warning that lasted to the day they counted as lost."""


class Look(NamedTuple):
    """One snapshot: when, which leads, who of them stood in the stage."""

    t: float
    leads: Ints
    warned: Bools


def curve(looks: Sequence[Look], lost: Moments, last_sign: Moments, every: float, least: int = LEAST_LOST) -> Warned:
    """The curve over looks that are `every` seconds apart, in rising order.

    Args:
        looks: who was judged, and who was warned of.
        lost: when leads counted as lost.
        last_sign: their last sign of life before, in the same order.
        every: seconds between two looks.
        least: lost leads that are needed to tell a share of them.
    """
    return Warned(
        DAYS_BEFORE,
        tuple(_share(looks, last_sign, days * DAY, every, least) for days in DAYS_BEFORE),
        tuple(_share(looks, lost, days * DAY, every, least) for days in DAYS_BEFORE),
        float(np.concatenate([look.warned for look in looks]).mean()) if looks else 0.0,
        _median(looks, lost),
    )


def _share(looks: Sequence[Look], when: Moments, ahead: float, every: float, least: int) -> float | None:
    """Of the leads judged `ahead` before their moment (or up to one look earlier), the share that was warned of."""
    warned = judged = 0
    for look in looks:
        due = np.unique(when.leads[when.within(look.t + ahead, look.t + ahead + every)])
        here = np.isin(look.leads, due)
        judged += int(here.sum())
        warned += int((here & look.warned).sum())
    return warned / judged if judged >= least else None


def _median(looks: Sequence[Look], lost: Moments) -> float | None:
    """Days from the first of the looks at which a lead stood warned without a break, to its loss before the next look."""
    if not looks:
        return None
    since: dict[int, float] = {}
    ahead: list[float] = []
    moments = list(zip(lost.times.tolist(), lost.leads.tolist(), strict=True))
    place = int(np.searchsorted(lost.times, looks[0].t, "left"))
    for look, until in zip(looks, [*(look.t for look in looks[1:]), np.inf], strict=True):
        at_risk = set(look.leads[look.warned].tolist())
        for lead in look.leads[~look.warned].tolist():
            since.pop(lead, None)
        for lead in at_risk:
            since.setdefault(lead, look.t)
        while place < len(moments) and moments[place][0] < until:
            at, lead = moments[place]
            if lead in since:
                ahead.append((at - since.pop(lead)) / DAY)
            place += 1
    return float(np.median(ahead)) if ahead else None
