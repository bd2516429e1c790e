"""What somebody who knows the log would do by hand: a wide table made for it, and LightGBM as it comes.

Only a yardstick: no constraint, no calibration, all snapshots up to the day on which the product stops learning.
"""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from agents.boosting import lightgbm
from agents.snapshots import ActivityLog
from streams.features import DAY, Bools, Floats, Ints
from streams.labels import Label
from streams.measure import auc
from tests.evaluate.walk import Leg

Table = Callable[[ActivityLog, float, Ints], Floats]
AS_IT_COMES = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 1, "deterministic": True}


def yardstick(log: ActivityLog, label: Label, legs: Sequence[Leg], table: Table) -> float:
    """Mean AUC over the legs, weighted by their rows."""
    ranks, weights = [], []
    for leg in legs:
        step = label.every_days * DAY
        learn = np.arange(leg.plan.calibrate[-1], leg.plan.train[0] - 1, -step).tolist()
        booster = lightgbm.train(AS_IT_COMES, lightgbm.Dataset(*_rows(log, label.at_any_age, learn, table)), 100)
        x, y = _rows(log, label, leg.at, table)
        ranks.append(auc(np.asarray(booster.predict(x)), y))
        weights.append(len(y))
    return float(np.average(ranks, weights=weights))


def _rows(log: ActivityLog, label: Label, times: Sequence[float], table: Table) -> tuple[Floats, Floats]:
    xs, ys = [], []
    for t in times:
        leads = np.flatnonzero(log.eligible(t, label))
        if len(leads):
            xs.append(table(log, t, leads))
            ys.append(log.churned(t, label)[leads].astype(np.float64))
    return np.concatenate(xs), np.concatenate(ys)


def shop(log: ActivityLog, t: float, leads: Ints) -> Floats:
    """Recency, frequency and money in six windows, returns, and the gaps between purchases."""
    b, n = log.batch, len(log.keys)
    past = (b.times < t) & b.counts
    rows, times, cents, bought = b.rows[past], b.times[past], b.cents[past], b.keys[past]

    def total(where: Bools, values: Floats | None = None) -> Floats:
        return np.bincount(rows[where], None if values is None else values[where], n).astype(np.float64)

    last, first = np.full(n, np.nan), np.full(n, np.nan)
    last[rows[bought]] = times[bought]
    first[rows[bought][::-1]] = times[bought][::-1]
    columns = [(t - last) / DAY, (t - first) / DAY]
    for days in (14, 30, 60, 90, 180, 365):
        recent = times >= t - days * DAY
        columns += [total(bought & recent), total(bought & recent, cents), total(~bought & recent)]
    count = total(bought)
    columns += [count, total(bought, cents), total(~bought), total(~bought, cents)]
    order = np.lexsort((times[bought], rows[bought]))
    lead, when = rows[bought][order], times[bought][order]
    gaps, of = np.diff(when)[np.diff(lead) == 0] / DAY, lead[1:][np.diff(lead) == 0]
    many = np.bincount(of, minlength=n).astype(np.float64)
    longest, newest = np.zeros(n), np.full(n, np.nan)
    np.maximum.at(longest, of, gaps)
    newest[of] = gaps
    with np.errstate(divide="ignore", invalid="ignore"):
        usual = np.bincount(of, gaps, n) / many
        spread = np.sqrt(np.maximum(np.bincount(of, gaps**2, n) / many - usual**2, 0))
        columns += [
            usual,
            spread,
            longest,
            newest,
            columns[0] / usual,
            columns[0] / longest,
            total(bought, cents) / count,
        ]
    return np.stack(columns, axis=1)[leads]


def bank(files: Sequence[Path]) -> Table:
    """Counts and ages of every step of the case, its amount, who worked on it, and the last thing that happened."""
    cases: dict[str, list[tuple[float, str, str]]] = defaultdict(list)
    amount: dict[str, float] = {}
    for path in files:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as stream:
            for row in csv.DictReader(stream):
                what = f"{row['activity']}/{row['lifecycle']}"
                cases[row["case_id"]].append((datetime.fromisoformat(row["ts"]).timestamp(), what, row["resource"]))
                amount[row["case_id"]] = float(row["amount_req"] or "nan")
    kinds = sorted({what for steps in cases.values() for _, what, _ in steps})
    place = {what: i for i, what in enumerate(kinds)}

    def table(log: ActivityLog, t: float, leads: Ints) -> Floats:
        out = np.full((len(leads), 2 * len(kinds) + 8), np.nan)
        for i, lead in enumerate(leads.tolist()):
            case = log.keys[lead].decode().split(":", 1)[1]
            past = [step for step in cases[case] if step[0] < t]
            counts = Counter(what for _, what, _ in past)
            out[i, : len(kinds)] = [counts[what] for what in kinds]
            for at, what, _ in past:
                out[i, len(kinds) + place[what]] = (t - at) / DAY
            begun, last = past[0][0], past[-1]
            hour = (begun % DAY) / 3600
            recent = sum(at > t - 3 * DAY for at, _, _ in past)
            told = (amount[case], (t - begun) / DAY, (t - last[0]) / DAY, place[last[1]], len(past), recent, hour)
            out[i, 2 * len(kinds) :] = (*told, len({who for _, _, who in past}))
        return out

    return table
