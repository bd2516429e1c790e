"""What a model is worth on what came after it: beside recency, RFM, the best single feature and the base rate."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agents.curves import Curves
from agents.manifest import Beside, EarlyWarning, Manifest, Rung, Scorecard, Window
from agents.model import LightGbmScorer
from agents.snapshots import ActivityLog, Snapshot
from agents.windows import TooLittleData, utc
from streams.baselines import recency, rfm, told
from streams.features import DAY, Floats, Ints
from streams.labels import Label, Moments, last_signs, lost
from streams.measure import auc, ece, ece_by_chance, log_loss, measure
from streams.risk import FAMILIES, FEATURE_FAMILY
from streams.stage import ORDER
from streams.thresholds import Stages
from streams.vector import COLUMN
from streams.warning import Look, curve

ENTER = Stages().enter
"""Stages are judged at the thresholds a policy has unless it says otherwise; the model knows no tenant."""
BASELINES = ("recency", "rfm")
"""What is put into stages beside the model: probabilities in `Rows`, and names in a scorecard."""
SHUFFLED_ROWS = 5_000
"""Rows on which the importance of features is measured."""


class Evaluation(NamedTuple):
    """What a model is worth: over all snapshots together, and at each."""

    overall: Scorecard
    at: dict[float, Scorecard]
    rows: "Rows"


class Rows(NamedTuple):
    """Rows of one or more snapshots: when, the truth, whose, scores to rank by, probabilities, and the same of the baselines."""

    t: Floats
    y: Floats
    leads: Ints
    raw: Floats
    p: Floats
    days: Floats
    recency: Floats
    rfm: Floats
    single: Floats


def evaluate(scorer: LightGbmScorer, log: ActivityLog, at: Sequence[float]) -> Evaluation:
    """Hold a model against what came true after each of the times, beside its baselines.

    Raises:
        TooLittleData: a label of one of the times is not complete in the log, or nobody or everybody went quiet.
    """
    manifest = scorer.manifest
    late = [t for t in at if t > log.last_judged(manifest.label) + 1]
    if late or not at:
        wanted = f"{utc(late)[0]:%Y-%m-%d} has no finished labels" if late else "there are no snapshots"
        raise TooLittleData(
            f"{wanted}: the log ends at {utc([log.end])[0]:%Y-%m-%d}; labels need {manifest.label.reach / DAY:g} days"
        )
    judged, cards = [], {}
    for shot in log.snapshots(at, manifest.label):
        told_of = _judge(scorer, shot)
        judged.append(told_of)
        if 0 < shot.y.sum() < len(shot.y):
            cards[shot.t] = _card([shot.t], told_of, manifest)
    together = Rows._make([np.concatenate(column) for column in zip(*judged, strict=True)])
    rows, quiet = len(together.y), int(together.y.sum())
    if not 0 < quiet < rows:
        raise TooLittleData(
            f"of {rows} rows {quiet} went quiet: nothing to tell apart; check the mapping's label and vocabulary"
        )
    warned = _warned(scorer, log, at)
    mine, *later = warned["p"]
    overall = _card(sorted(at), together, manifest).model_copy(
        update={
            "curves": Curves.of(together.y, together.p, together.raw, together.days),
            "stages": _rungs(together.p, together.y),
            "warning": mine,
            "warning_later": {str(stage): one for stage, one in zip(ORDER[2:], later, strict=True)},
            "beside": {
                who: Beside(stages=_rungs(getattr(together, who), together.y), warning=warned[who][0])
                for who in BASELINES
                if who in warned
            },
        }
    )
    return Evaluation(overall, cards, together)


def _warned(scorer: LightGbmScorer, log: ActivityLog, at: Sequence[float]) -> dict[str, list[EarlyWarning]]:
    """The curve of each who is judged by, for each stage. Leads of any age are warned of, also where only some are tested."""
    label = scorer.manifest.label
    looks = [(shot.t, _judge(scorer, shot)) for shot in log.snapshots(at, label.at_any_age)]
    every, gone = label.every_days * DAY, losses(log, label)
    known = ("p", *(who for who in BASELINES if who != "rfm" or scorer.manifest.rfm))
    return {
        who: [
            EarlyWarning(
                **curve([Look(t, r.leads, getattr(r, who) >= enter) for t, r in looks], *gone, every)._asdict()
            )
            for enter in ENTER
        ]
        for who in known
    }


def losses(log: ActivityLog, label: Label) -> tuple[Moments, Moments]:
    """When leads were lost, as far as the log tells, and their last signs of life before that; each by time."""
    if label.churn == "silence":
        return lost(log.life, log.end, label.horizon_days * DAY)
    closed = log.closings(label.closed_as)
    return closed, last_signs(log.life, closed)


def importance(scorer: LightGbmScorer, shot: Snapshot) -> dict[str, float]:
    """What the AUC loses when the features of a family are shuffled together among the leads; largest first."""
    rng = np.random.default_rng(1)
    some = rng.permutation(len(shot.y))[:SHUFFLED_ROWS]
    x, y = shot.x[some], shot.y[some]
    if not 0 < y.sum() < len(y):
        return {}
    whole, lost_by = auc(scorer.raw(x), y), {}
    for number, family in enumerate(FAMILIES):
        shuffled, columns = x.copy(), np.flatnonzero(number == FEATURE_FAMILY)
        shuffled[:, columns] = x[rng.permutation(len(x))][:, columns]
        lost_by[family] = round(whole - auc(scorer.raw(shuffled), y), 4)
    return dict(sorted(lost_by.items(), key=lambda item: -item[1]))


def _judge(scorer: LightGbmScorer, shot: Snapshot) -> Rows:
    manifest, raw, days = scorer.manifest, scorer.raw(shot.x), recency(shot.x)
    three = manifest.rfm.calibration.apply(told(manifest.rfm.weights, rfm(shot.x))) if manifest.rfm else np.zeros(0)
    alone = np.zeros(0)
    if manifest.single:
        alone = manifest.single.alone.score(shot.x[:, COLUMN[manifest.single.name]])
    p, by_recency = manifest.calibration.apply(raw), manifest.recency.apply(days)
    return Rows(np.full(len(shot.y), shot.t), shot.y, shot.leads, raw, p, days, by_recency, three, alone)


def _card(times: Sequence[float], rows: Rows, manifest: Manifest) -> Scorecard:
    y = rows.y
    return Scorecard(
        window=window(times, y),
        model=measure(rows.p, y, rows.raw, rows.leads),
        recency=measure(rows.recency, y, rows.days, rows.leads),
        base_log_loss=log_loss(np.full(len(y), manifest.base_rate), y),
        rfm=measure(rows.rfm, y, rows.rfm, rows.leads) if manifest.rfm else {},
        single=(manifest.single.name, auc(rows.single, y)) if manifest.single else None,
    )


def _rungs(p: Floats, y: Floats) -> tuple[Rung, ...]:
    """Told and seen, stage by stage."""
    stage = np.searchsorted(ENTER, p, "right")
    return tuple(
        Rung(
            str(ORDER[i]),
            int(here.sum()),
            float(p[here].mean()),
            float(y[here].mean()),
            ece(p[here], y[here]),
            ece_by_chance(p[here]),
        )
        for i in range(len(ORDER))
        if (here := stage == i).any()
    )


def window(times: Sequence[float], y: Floats) -> Window:
    """Snapshots in numbers."""
    first, last = utc(times)
    return Window(first=first, last=last, snapshots=len(times), rows=len(y), churned=int(y.sum()))
