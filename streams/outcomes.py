"""Whether what happens, or how far it is from what was told, has changed while a version judged; by `streams.adwin`.

Two judgements of a lead whose horizons overlap are nearly the same outcome twice. So each lead counts at every so many looks
only that its horizons do not overlap; at which of them, its number says, so that every look has its share of leads.
"""

from typing import Literal, NamedTuple

import numpy as np

from streams.adwin import changes
from streams.features import DAY, Floats, Ints
from streams.labels import Label


class OutcomeChange(NamedTuple):
    """From when on (epoch seconds) the rate of going quiet, or the mean of seen less told, is another; both means."""

    of: Literal["quiet", "error"]
    since: float
    before: float
    after: float


def outcome_changes(leads: Ints, times: Floats, p: Floats, y: Floats, label: Label) -> tuple[OutcomeChange, ...]:
    """Changes of both, oldest first.

    Args:
        leads: whose row it is.
        times: of its look, epoch seconds.
        p: what was told.
        y: what came true.
        label: how far looks are apart, and how far a horizon reaches.
    """
    if not len(times):
        return ()
    every = max(1, int(np.ceil(label.reach / (label.every_days * DAY))))
    look = np.round((times - times.min()) / (label.every_days * DAY)).astype(np.int64)
    some = np.flatnonzero(look % every == leads % every)
    some = some[np.lexsort((leads[some], times[some]))]
    found = [OutcomeChange("quiet", float(times[some[one.since]]), one.before, one.after) for one in changes(y[some])]
    found += [
        OutcomeChange("error", float(times[some[one.since]]), 2 * one.before - 1, 2 * one.after - 1)
        for one in changes((y[some] - p[some] + 1) / 2)
    ]
    return tuple(sorted(found, key=lambda one: one.since))
