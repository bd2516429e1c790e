"""Signs that a model was shown the answer. Each is told in the manifest, and a model with one is not promoted."""

from collections.abc import Mapping

from streams.baselines import Alone

IMPLAUSIBLE = 0.97
"""No single thing known beforehand tells that well who goes quiet: on four real sets the best had 0.72 to 0.84."""
IN_TABLES = 0.90
"""The same of a column of somebody's table, where no silence is measured: honest ones had at most 0.79; a column that sales
people fill in after the contact had 0.92."""
TOO_GOOD = 0.995
"""The same of a whole model on what came later."""
LATER = 0.05
"""By so much better does no feature rank for what comes in late but is not written by the outcome."""


def leaks(alone: Mapping[str, Alone], limit: float = IMPLAUSIBLE) -> tuple[str, ...]:
    """Features that rank the rows they are trained on better than anything honest would, one sentence each."""
    return tuple(
        f"{name} alone ranks at AUC {one.auc:.3f}: is it known only after the label? Leave it out, or correct its time"
        for name, one in alone.items()
        if one.auc >= limit
    )


def known_after(known: Mapping[str, Alone], hindsight: Mapping[str, Alone]) -> tuple[str, ...]:
    """Features that are written down late, and by what came of the lead.

    Args:
        known: features of some rows as they were known at the time.
        hindsight: the same rows as the log tells them today. What is late by chance ranks no better for it.
    """
    return tuple(
        f"{name} is known only after the label: at the time it ranked at AUC {one.auc:.3f} alone, by what was written down "
        f"later at {hindsight[name].auc:.3f}. Leave it out, or correct when it happened"
        for name, one in known.items()
        if hindsight[name].auc - one.auc >= LATER
    )


def too_good(rank: float) -> tuple[str, ...]:
    """A whole model that ranks what came later without error has seen it."""
    if rank < TOO_GOOD:
        return ()
    return (f"AUC {rank:.3f} on what came later: something of the label is among the features",)
