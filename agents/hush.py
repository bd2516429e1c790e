"""Checks of a trained model what its constraints promise: that in pure silence the risk of nobody falls."""

import numpy as np

from agents.snapshots import ActivityLog
from schemas.units import Outgoing
from streams.features import DAY
from streams.labels import Label
from streams.risk import Scorer
from streams.vector import vectors

LEADS = 2_000
DAYS = (0, 1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180)


class Hush(Outgoing):
    """What pure silence does to the risk of so many leads over so many days: the largest fall of anybody's."""

    leads: int
    days: int
    most_fall: float


def in_silence(scorer: Scorer, log: ActivityLog, t: float, label: Label) -> Hush:
    """Let leads that could be judged at t say nothing for half a year, and look for falls of their risk."""
    rows = log.known_rows(t)
    rows = rows[log.eligible(t, label) & (rows["events"] > 0)]
    rows = rows[:: max(1, len(rows) // LEADS)]
    risk = np.stack([scorer.score(vectors(rows, np.full(len(rows), t + day * DAY))) for day in DAYS])
    falls = (np.maximum.accumulate(risk, axis=0) - risk).max(axis=0) if len(rows) else np.zeros(1)
    return Hush(leads=len(rows), days=DAYS[-1], most_fall=float(falls.max()))
