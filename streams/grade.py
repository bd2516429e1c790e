"""How the risks that were told turned out: the truth held against assessments whose horizon has passed.

    keep        nothing speaks against it
    too early   fewer than 500 judgements have come true, or fewer than 50 of either kind: nothing can be said yet
    fall back   the calibration is broken (told and seen are surely more than 0.05 apart), or the base rate alone surely
                told it better

Surely: the whole 95 % interval, by leads, lies beyond the bound. Who was contacted may have stayed because of it, so that a
right risk looks too high. Where messages went out, the verdict rests on the leads that are held out; where those are too
few, on all of them, and then only more losses than were told count against a version: contacting cannot explain those.

`fall back` is a verdict, not an act: `streams.fallback` says where to.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from streams.asked import quiet_in_words, who_in_words
from streams.curves import Bin, reliability
from streams.features import DAY, Bools, Floats, Ints
from streams.labels import Label, Moments
from streams.measure import INTERVAL, clustered_mean, log_loss, measure, off_at_least
from streams.outcomes import OutcomeChange, outcome_changes
from streams.segments import SegmentGrade, StageGrade, by_segment, by_stage
from streams.warning import Look, Warned, curve

LEAST_ROWS, LEAST_EITHER = 500, 50
BROKEN = 0.05
"""A stage of 0.3 that means 0.2 sends people after the wrong leads; half of that, and all of it surely so, is enough."""
NEWEST_LOOKS = 13
"""A quarter of a year of weekly looks: older judgements would hide that something has broken."""
Verdict = Literal["keep", "too early", "fall back"]


class Told(NamedTuple):
    """Assessments in order of time: which lead, when, how likely, which stage (0 none to 3 critical).

    `mine` are those of the version that is graded: where another one has told something since, its word stands.
    """

    leads: Ints
    times: Floats
    p: Floats
    stages: Ints
    mine: Bools


class Seen(NamedTuple):
    """One look: when, who could be judged, and who of them went quiet after it."""

    t: float
    leads: Ints
    quiet: Bools


class Truth(NamedTuple):
    """What happened, and what is known of n leads.

    Attributes:
        seen: Looks, rising in time.
        lost: When leads were lost.
        signs: Their last signs of life before.
        first: First sign of life of each lead, epoch seconds.
        traits: Kind of segment (tenant, region) -> its name for each lead; empty: not known.
        held_out: Which leads nobody may contact; None: nobody was contacted in that time.
    """

    seen: Sequence[Seen]
    lost: Moments
    signs: Moments
    first: Floats
    traits: Mapping[str, Sequence[str]]
    held_out: Bools | None


class Judgements(NamedTuple):
    """What stood of leads when they were looked at, and whether they went quiet; one row each."""

    leads: Ints
    times: Floats
    p: Floats
    y: Floats
    stages: Ints

    def where(self, some: Bools | Ints) -> "Judgements":
        """Some of them."""
        return Judgements._make([column[some] for column in self])


class Grade(NamedTuple):
    """How a version did, over looks whose horizon has passed.

    `asked` says what going quiet was, and of whom it was asked; `off` is the calibration error that is surely no chance.
    """

    verdict: Verdict
    why: str
    looks: int
    rows: int
    quiet: int
    measures: dict[str, float]
    off: float
    calibration: tuple[Bin, ...]
    stages: tuple[StageGrade, ...]
    segments: tuple[SegmentGrade, ...]
    warned: Warned | None
    changed: tuple[OutcomeChange, ...]
    asked: str


def standing(told: Told, n: int, t: float) -> Ints:
    """The place in `told` of the newest assessment of each of n leads before t; -1: there was none."""
    place = np.full(n, -1, np.int64)
    until = int(np.searchsorted(told.times, t, "left"))
    place[told.leads[:until]] = np.arange(until)
    return place


def judgements(told: Told, seen: Sequence[Seen], n: int) -> Judgements:
    """What stood of n leads at each look, with its truth."""
    parts = [Judgements(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))]
    for look in seen:
        place = standing(told, n, look.t)[look.leads]
        there = (place >= 0) & told.mine[place]
        found = place[there]
        leads = look.leads[there]
        y = look.quiet[there].astype(np.float64)
        parts.append(Judgements(leads, np.full(len(leads), look.t), told.p[found], y, told.stages[found]))
    return Judgements._make([np.concatenate(column) for column in zip(*parts, strict=True)])


def grade(told: Told, truth: Truth, base_rate: float | None, label: Label) -> Grade:
    """Grade what was told.

    Args:
        told: assessments, and which are of the version.
        truth: what happened.
        base_rate: share that went quiet when the version was trained; None: it was not trained.
        label: what going quiet means.
    """
    ever, seen = judgements(told, truth.seen, len(truth.first)), truth.seen[-NEWEST_LOOKS:]
    rows = ever.where(ever.times >= seen[0].t) if seen else ever
    quiet, asked = int(rows.y.sum()), f"{quiet_in_words(label)}, of {who_in_words(label)}"
    if not _enough(rows):
        why = f"{len(rows.y)} judgements have come true, {quiet} of them quiet; {LEAST_ROWS} and {LEAST_EITHER} are needed"
        return Grade("too early", why, len(seen), len(rows.y), quiet, {}, 0.0, (), (), (), None, (), asked)
    verdict, why, off = _verdict(rows, truth.held_out, base_rate)
    looks = [Look(look.t, rows.leads[at], rows.stages[at] >= 1) for look in seen for at in [rows.times == look.t]]
    return Grade(
        verdict,
        why,
        len(seen),
        len(rows.y),
        quiet,
        measure(rows.p, rows.y, rows.p, rows.leads),
        off,
        reliability(rows.p, rows.y),
        by_stage(rows.stages, rows.p, rows.y),
        by_segment(rows.leads, (rows.times - truth.first[rows.leads]) / DAY, rows.stages, rows.p, rows.y, truth.traits),
        curve(looks, truth.lost, truth.signs, label.every_days * DAY),
        outcome_changes(ever.leads, ever.times, ever.p, ever.y, label),
        asked,
    )


def _enough(rows: Judgements) -> bool:
    quiet = rows.y.sum()
    return len(rows.y) >= LEAST_ROWS and min(quiet, len(rows.y) - quiet) >= LEAST_EITHER


def _verdict(rows: Judgements, held_out: Bools | None, base_rate: float | None) -> tuple[Verdict, str, float]:
    among, only_short = "", False
    if held_out is not None:
        held = rows.where(held_out[rows.leads])
        only_short = not _enough(held)
        among = " among all, contacted or not" if only_short else f" among {len(held.y)} judgements of held-out leads"
        rows = rows if only_short else held
    off = off_at_least(rows.p, rows.y, rows.leads, only_short=only_short)
    if off > BROKEN:
        return "fall back", f"told and seen are at least {off:.3f} apart{among}; {BROKEN:.2f} is the bound", off
    if base_rate is not None and not only_short:
        worse, error = clustered_mean(
            _losses(rows.p, rows.y) - _losses(np.full(len(rows.y), base_rate), rows.y), rows.leads
        )
        if worse - INTERVAL * error > 0:
            return (
                "fall back",
                f"its log loss is {worse:.3f} above that of the base rate alone{among}, surely above",
                off,
            )
    return "keep", f"told and seen are at least {off:.3f} apart{among}, log loss {log_loss(rows.p, rows.y):.3f}", off


def _losses(p: Floats, y: Floats) -> Floats:
    safe = np.clip(p, 1e-9, 1 - 1e-9)
    return np.asarray(-(y * np.log(safe) + (1 - y) * np.log1p(-safe)))
