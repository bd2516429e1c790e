"""How the risks that were told turned out: the truth held against assessments whose horizon has passed.

    keep        nothing speaks against it
    too early   fewer than 500 judgements have come true, or fewer than 50 of either kind: nothing can be said yet
    fall back   the calibration is broken (more than 0.10 beyond what chance does), or the base rate alone told it better

`fall back` is a verdict, not an act: going back to the version before is an order like any other promotion.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from streams.features import DAY, Bools, Floats, Ints
from streams.labels import Label, Moments
from streams.measure import log_loss, measure
from streams.warning import Look, Warned, curve

LEAST_ROWS, LEAST_EITHER = 500, 50
BROKEN_ECE = 0.10
"""Beyond chance. A stage of 0.3 that means 0.2 sends people after the wrong leads."""
Verdict = Literal["keep", "too early", "fall back"]


class Told(NamedTuple):
    """Assessments in order of time: which lead, when, how likely, which stage (0 none to 3 critical)."""

    leads: Ints
    times: Floats
    p: Floats
    stages: Ints


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


class Grade(NamedTuple):
    """How a version did, over looks whose horizon has passed."""

    verdict: Verdict
    why: str
    looks: int
    rows: int
    quiet: int
    measures: dict[str, float]
    stages: tuple[StageGrade, ...]
    warned: Warned | None


class Seen(NamedTuple):
    """One look: when, who could be judged, and who of them went quiet after it."""

    t: float
    leads: Ints
    quiet: Bools


def standing(told: Told, n: int, t: float) -> Ints:
    """The place in `told` of the newest assessment of each of n leads before t; -1: there was none."""
    place = np.full(n, -1, np.int64)
    until = int(np.searchsorted(told.times, t, "left"))
    place[told.leads[:until]] = np.arange(until)
    return place


def grade(
    told: Told, seen: Sequence[Seen], n: int, base_rate: float, lost: Moments, signs: Moments, label: Label
) -> Grade:
    """Grade what was told.

    Args:
        told: assessments of one version.
        seen: looks and their truth, rising in time.
        n: number of leads.
        base_rate: share that went quiet when the version was trained.
        lost: when leads were lost.
        signs: their last signs of life before.
        label: what going quiet means.
    """
    p, y, stages, looks = [], [], [], []
    for look in seen:
        place = standing(told, n, look.t)[look.leads]
        there = place >= 0
        p.append(told.p[place[there]])
        stages.append(told.stages[place[there]])
        y.append(look.quiet[there].astype(np.float64))
        looks.append(Look(look.t, look.leads[there], stages[-1] >= 1))
    all_p, all_y = _joined(p), _joined(y)
    rows, quiet = len(all_y), int(all_y.sum())
    if rows < LEAST_ROWS or min(quiet, rows - quiet) < LEAST_EITHER:
        why = f"{rows} judgements have come true, {quiet} of them quiet; {LEAST_ROWS} and {LEAST_EITHER} are needed"
        return Grade("too early", why, len(seen), rows, quiet, {}, (), None)
    measures = measure(all_p, all_y, all_p)
    verdict, why = _verdict(measures, log_loss(np.full(rows, base_rate), all_y))
    stage = np.concatenate(stages)
    return Grade(
        verdict,
        why,
        len(seen),
        rows,
        quiet,
        measures,
        tuple(
            StageGrade(i, int(here.sum()), float(all_p[here].mean()), float(all_y[here].mean()))
            for i in range(4)
            if (here := stage == i).any()
        ),
        curve(looks, lost, signs, label.every_days * DAY),
    )


def _verdict(measures: dict[str, float], base: float) -> tuple[Verdict, str]:
    beyond = measures["ece"] - measures["ece_by_chance"]
    if beyond > BROKEN_ECE:
        return "fall back", f"the calibration error is {beyond:.3f} beyond chance; {BROKEN_ECE:.2f} is the bound"
    if measures["log_loss"] > base:
        return "fall back", f"the log loss is {measures['log_loss']:.3f}; the base rate alone has {base:.3f}"
    return "keep", f"calibration error {measures['ece']:.3f}, log loss {measures['log_loss']:.3f} against {base:.3f}"


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0)
