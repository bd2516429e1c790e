"""Which snapshots train, which calibrate, which test: in this order in time, with an embargo between them.

    start ... [ train ] embargo [ calibrate ] embargo [ test ] ... end - reach

The embargo is as long as a label reaches (gap + horizon), so that no label of one window is known from the features of
the next; before the test begins, every label that was used has come true. A model is judged only on what came later.

A log too short for both embargoes keeps the second. Training and calibration then share their snapshots and differ in
leads: each fifth of the leads is calibrated by what was learned from the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from agents.snapshots import ActivityLog
from schemas.errors import LeadkeeperError
from streams.features import DAY, Ints
from streams.labels import Label

CALIBRATION_ROWS = 16_000
"""More rows than this do not make a calibration better."""
MOST_TRAINING_ROWS = 500_000
"""Above, every second (third, ...) snapshot is used: a minute of training and 200 MB."""
FOLDS = 5
WARM_UP = 1 / 3
"""The first snapshot is this share of a label's reach after the log's first event, when there is something to know."""


class TooLittleData(LeadkeeperError):  # noqa: N818 - named like its relatives in schemas/errors.py
    """The log cannot carry a model; the message says what is missing and how much would do."""


@dataclass(frozen=True)
class Windows:
    """Snapshot times (epoch seconds), rising. `test` is empty where the log ends before a label could come true.

    `apart` says what keeps training and calibration from knowing each other: an embargo in time, or different leads.
    """

    train: tuple[float, ...]
    calibrate: tuple[float, ...]
    test: tuple[float, ...]
    apart: Literal["time", "leads"] = "time"


def windows(log: ActivityLog, label: Label, until: float | None = None) -> Windows:
    """Divide the log's time.

    Args:
        log: the whole log.
        label: definition of going quiet.
        until: training may use nothing from here on (epoch seconds), and the test begins here; the log's end means no
            test. Left out: the last third of the time that the two embargoes leave is for the test.

    Raises:
        TooLittleData: the log does not last long enough.
    """
    reach, step = label.reach, label.every_days * DAY
    begin, last = log.start + WARM_UP * reach, log.last_judged(label)
    apart: Literal["time", "leads"] = "time"
    if until is None:
        room = last - begin - 2 * reach
        if room < 3 * step:
            apart, room = "leads", last - begin - reach
        until = last - room / 3
    until = min(until, log.end)
    calibrate_last = until - reach
    if calibrate_last - reach - begin < step:
        apart = "leads"
    if apart == "leads":
        train = calibrate = _back(calibrate_last, begin, step)
    else:
        calibrate = _calibrate(log, label, calibrate_last, calibrate_last - reach - begin)
        train = _back(calibrate[0] - reach, begin, step)
    if not train:
        raise TooLittleData(_too_short(log, label, until))
    rows = sum(int(log.eligible(t, label).sum()) for t in train)
    train = train[:: -max(1, -(-rows // MOST_TRAINING_ROWS))][::-1]
    return Windows(train, calibrate, tuple(np.arange(until, last + 1e-6, step).tolist()), apart)


def parts(log: ActivityLog, until: float) -> Ints:
    """Which of the `FOLDS` each lead is in: every fifth in the order in which they came, so that no name and no year matters.

    Args:
        log: the whole log.
        until: only what was known before (epoch seconds) is looked at.
    """
    known, n = log.seen < until, len(log.keys)
    rows, times = log.batch.rows[known], log.batch.times[known]
    first, last = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(first, rows, times)
    np.maximum.at(last, rows, times)
    cents = np.bincount(rows, log.batch.cents[known], n)
    came = np.lexsort(
        (cents, np.bincount(rows, minlength=n), last, first)
    )  # who came together is told apart by what followed
    part = np.empty(n, np.int64)
    part[came] = np.arange(n) % FOLDS
    return part


def _calibrate(log: ActivityLog, label: Label, last: float, room: float) -> tuple[float, ...]:
    """The newest snapshots with rows enough, in at most a third of the room that training has."""
    step, times, rows = label.every_days * DAY, [last], int(log.eligible(last, label).sum())
    while rows < CALIBRATION_ROWS and last - (times[-1] - step) <= room / 3:
        times.append(times[-1] - step)
        rows += int(log.eligible(times[-1], label).sum())
    return tuple(reversed(times))


def _back(last: float, begin: float, step: float) -> tuple[float, ...]:
    """Times from `last` back to `begin`, rising."""
    count = int((last - begin) // step) + 1 if last >= begin else 0
    return tuple(last - step * i for i in reversed(range(count)))


def _too_short(log: ActivityLog, label: Label, until: float) -> str:
    needed = (WARM_UP + 1) * label.reach / DAY + 3 * label.every_days
    return (
        f"the log runs from {_day(log.start)} to {_day(log.end)}; training up to {_day(until)} leaves too little: with "
        f"a horizon of {label.horizon_days:g} days it needs {needed:.0f} (training, calibration, embargo) and a test "
        f"{label.horizon_days:g} more; use a longer log, a later `until`, or a shorter label.horizon_days. Until then "
        "the rule scorer judges: silence against the lead's own rhythm, without training"
    )


def _day(t: float) -> str:
    return f"{datetime.fromtimestamp(t, UTC):%Y-%m-%d}"


def utc(times: Sequence[float]) -> tuple[datetime, datetime]:
    """First and last of some times."""
    return datetime.fromtimestamp(times[0], UTC), datetime.fromtimestamp(times[-1], UTC)
