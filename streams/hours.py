"""Which hours leads answer in, and which leads have an hour of their own. Worked out beside the fold, for `send_time`.

    g(h)     rate of answers by local hour, from messages sent at hours drawn by a hash, smoothed over neighbours; believed
             from 1,000 such messages on, the best hour and its neighbours at least 100 of them. Of all the tenant's leads,
             and of those in one stage (the segment that `channel_choice` goes by, too) where its own messages pass this bar
    a(h)     share of the tenant's activity by local hour; a_u(h) that of one lead, with 20 events of the tenant's mixed in
    own      argmax of g(h) (a_u(h) / a(h))^0.7, for leads with 40 events in 90 days; while g is not known, a stands for it

Holding each lead to the hour it opened most in lost to one hour for all at every length of history that was tried, hence the
bar (notes of the project: 4,000 simulated leads). The bar of a stage is that of the tenant: with 2,900 messages an hour even
the pooled pick took a wrong hour at times, so fewer messages than this cannot tell a stage's hour from the tenant's.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from schemas.units import Stage
from streams.features import Floats

DAYS = 90
LEAST_EVENTS = 40
LEAST_SENT, LEAST_AROUND = 1_000, 100
MIXED_IN, POWER = 20.0, 0.7
MOST_OWN = 40_000
"""Leads with an hour of their own that one record can name."""


class Tried(NamedTuple):
    """Messages at hours drawn by a hash, by local hour (24 counts each), and how many of them were answered."""

    sent: Sequence[float]
    answered: Sequence[float]


class Hours(NamedTuple):
    """What is known of hours.

    Attributes:
        usual: In which leads answer most; None: not enough data.
        own: Lead -> its hour.
        tried: Messages at drawn hours, whose outcome is known.
        left_out: Leads with an hour of their own that did not fit.
        stages: Stage -> messages at drawn hours to leads in it, and in which these answer most (None: not enough data).
    """

    usual: int | None
    own: dict[str, int]
    tried: int
    left_out: int
    stages: dict[Stage, tuple[int, int | None]]


def hours(activity: Mapping[str, Sequence[float]], tried: Mapping[Stage, Tried], open_hours: Sequence[int]) -> Hours:
    """Work them out.

    Args:
        activity: events of each lead in the last 90 days, by local hour (24 counts).
        tried: messages at hours drawn by a hash, by the stage in which they were sent.
        open_hours: those in which a lead may be contacted.
    """
    sent, answered = (
        np.sum([np.asarray(one[i], np.float64) for one in tried.values()], axis=0) if tried else np.zeros(24)
        for i in (0, 1)
    )
    rate, best = _answers(sent, answered, open_hours)
    known = best is not None
    stages = {
        stage: (int(sum(one.sent)), _answers(np.asarray(one.sent), np.asarray(one.answered), open_hours)[1])
        for stage, one in tried.items()
    }
    counts = {lead: np.asarray(of_lead, np.float64) for lead, of_lead in activity.items()}
    told = sorted((lead for lead, n in counts.items() if n.sum() >= LEAST_EVENTS), key=lambda n: (-counts[n].sum(), n))
    everyone = smooth(np.sum(list(counts.values()), axis=0)) + 1e-9 if counts else np.ones(24)
    everyone /= everyone.sum()
    base = rate if known else everyone
    own = {lead: _own(counts[lead], base, everyone, open_hours) for lead in told[:MOST_OWN]}
    return Hours(best, own, int(sent.sum()), len(told[MOST_OWN:]), stages)


def _answers(sent: Floats, answered: Floats, open_hours: Sequence[int]) -> tuple[Floats, int | None]:
    """Rate of answers by hour, and the best one; None: not enough data."""
    rate = smooth(answered) / np.maximum(smooth(sent), 1e-9)
    best = _best(rate, open_hours)
    known = sent.sum() >= LEAST_SENT and sent[[best - 1, best, (best + 1) % 24]].sum() >= LEAST_AROUND
    return rate, best if known else None


def usual_hour(active: Sequence[int]) -> int | None:
    """The hour in which a lead is active most, of the hours of its events in 90 days; None: too few to say. Of equals the earlier."""
    counts = Counter(active)
    return min(counts, key=lambda hour: (-counts[hour], hour)) if len(active) >= LEAST_EVENTS else None


def smooth(by_hour: Floats) -> Floats:
    """Each hour with half of itself and a quarter of each neighbour, round the clock."""
    return np.asarray(0.5 * by_hour + 0.25 * np.roll(by_hour, 1) + 0.25 * np.roll(by_hour, -1))


def _own(of_lead: Floats, base: Floats, everyone: Floats, open_hours: Sequence[int]) -> int:
    share = (smooth(of_lead) + MIXED_IN * everyone) / (of_lead.sum() + MIXED_IN)
    return _best(base * (share / everyone) ** POWER, open_hours)


def _best(worth: Floats, open_hours: Sequence[int]) -> int:
    return max(open_hours, key=lambda hour: (worth[hour], -hour))
