"""What is known of the weeks that a model will serve, beyond the labels it was calibrated on.

The same weeks a year ago, where leads had a history by then (`streams.season`); else their volume, where that is a measure
(`streams.volume`); else the newest weeks alone (`streams.lately`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from agents.snapshots import ActivityLog, Snapshot
from agents.windows import Windows
from streams import calibrate, lately, season, volume
from streams.features import DAY, Floats
from streams.labels import Label
from streams.season import Told

Scored = Callable[[Floats], Floats]


class Outlook(NamedTuple):
    """Log-odds to add to a calibration: from the same weeks a year ago (`season`), and from the newest ones (`lately`)."""

    season: float
    lately: float


def outlook(
    log: ActivityLog,
    label: Label,
    plan: Windows,
    held: Sequence[Snapshot],
    raw: Floats,
    scored: Scored,
    calibrated: Scored,
) -> Outlook:
    """Look a year back, and where the log does not reach so far, at those of whom half a horizon is known.

    Args:
        log: the whole log; nothing after the plan's labels is looked at.
        label: definition of going quiet, for leads of any age.
        plan: windows of the training.
        held: snapshots of the calibration.
        raw: their scores, by trees that do not know their leads' labels.
        scored: features -> scores.
        calibrated: scores -> probabilities.
    """
    if plan.apart != "time":
        return Outlook(0.0, 0.0)  # those who could tell are among those who were learned from
    begin = plan.calibrate[-1] + label.reach
    before, served = season.twins(plan.calibrate), season.twins(season.to_serve(begin, label.every_days))
    alive = 0.0 if label.ever_alive else label.eligible_days or 0.0
    known_of = log.start + max(alive, label.horizon_days) * DAY
    if min(*before, *served) >= known_of:
        found = {shot.t: shot for shot in log.snapshots([*before, *served], label)}
        told = (_told([found[t] for t in times], lambda x: calibrated(scored(x))) for times in (before, served))
        return Outlook(season.shift(*told), 0.0)
    seen = volume.visits(log.life)
    busier = volume.ahead(seen, log.start, begin, plan.calibrate, label)
    if busier is None:
        return Outlook(0.0, lately.shift(_newest(log, label, held, raw, scored, begin, lambda _: 1.0)))
    half = lately.part_of(label)
    usual = max(volume.mean(seen, plan.calibrate, half), 1.0)
    newest = _newest(log, label, held, raw, scored, begin, lambda t: volume.mean(seen, [t], half) / usual)
    (now,) = log.snapshots([begin], label)  # for its features; its labels are not known yet, and not looked at
    return Outlook(*volume.shifts(calibrated(scored(now.x)), busier, newest))


def _newest(
    log: ActivityLog,
    label: Label,
    held: Sequence[Snapshot],
    raw: Floats,
    scored: Scored,
    begin: float,
    busier: Callable[[float], float],
) -> Told:
    """Those of whom half a horizon is known: how many should have been quiet in it, with so many times the visits, and were."""
    half = lately.part_of(label)
    quiet = np.concatenate([log.churned(shot.t, half)[shot.leads] for shot in held]).astype(np.float64)
    knots = calibrate.platt(raw, quiet)
    looks = [
        Told(calibrate.apply(knots, scored(shot.x)) ** busier(shot.t), shot.y)
        for shot in log.snapshots(lately.newest(begin, label, label.every_days * DAY), half)
        if len(shot.y)
    ]
    if not looks:
        return Told(np.zeros(0), np.zeros(0))
    return Told(np.concatenate([one.p for one in looks]), np.concatenate([one.y for one in looks]))


def _told(shots: Sequence[Snapshot], told: Scored) -> Told:
    some = [shot for shot in shots if len(shot.y)]
    if not some:
        return Told(np.zeros(0), np.zeros(0))
    return Told(told(np.concatenate([s.x for s in some])), np.concatenate([s.y for s in some]))
