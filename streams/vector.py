"""Row + time -> the numbers a model sees. One definition, online, in training and in batch.

Everything that changes while a lead is silent changes in one direction, and the model is told which (`MONOTONE`): recency and
silence ratio only raise the risk, decayed counts and trends only lower it as they fade. What has no such direction (shares,
sums, gaps) is built so that it does not move in silence. So silence can never lower the risk of an untouched lead.
A longer history of signs of life and of money only lowers the risk, too: those two grow with the age of a log, and a model
that is free to bend there learns the age of its training log (retail log, by time split: AUC 0.771 free, 0.775 bound).
NaN means "never happened"; it is not zero.

Of the journey the model sees what all tenants' stages have in common, and not which stage it is: for how many days a lead has
been stuck (NaN where no time is set for its stage, or nothing was heard of it on the way), and how often it went back since it
last moved on (0 also without a journey: who is on none has not gone back, so the count keeps one direction for all).
"""

import hashlib

import numpy as np

from streams.features import DAY, HALF_LIVES_DAYS, ROW, Floats, Rows
from streams.vocabulary import Family

_FAMILIES = [f.name.lower() for f in Family]
_TREND_FLOOR = 1e-3
"""Added below a trend ratio so that it falls to 0, not to 0/0, in a long silence."""
MIN_GAP_DAYS = 0.5
"""A usual gap under half a day counts as half a day: bursts are not a rhythm."""

NAMES: tuple[str, ...] = (
    *(f"{name}_{half:g}d" for name in _FAMILIES for half in HALF_LIVES_DAYS),
    *(f"days_since_{name}" for name in _FAMILIES),
    "silent_days", "idle_days", "silence_ratio", "trend_1_7", "trend_7_30",
    "events", "key_events", "active_span_days", "usual_gap_days",
    "money_30d", "money_total", "money_mean",
    "unanswered_share", "trouble_share", "payment_trouble_share", "mood",
    "stage_overdue_days", "backward_moves",
)  # fmt: skip
"""Column names, in order."""
COLUMN = {name: i for i, name in enumerate(NAMES)}
_N_COUNTS = len(Family) * len(HALF_LIVES_DAYS)
_RISING = {
    "silent_days",
    "idle_days",
    "silence_ratio",
    "stage_overdue_days",
    "backward_moves",
    *(f"days_since_{name}" for name in _FAMILIES),
}
_FALLING = {
    "trend_1_7",
    "trend_7_30",
    "money_30d",
    "key_events",
    "active_span_days",
    "money_total",
    "money_mean",
    *NAMES[:_N_COUNTS],
}
MONOTONE: tuple[int, ...] = tuple(1 if n in _RISING else -1 if n in _FALLING else 0 for n in NAMES)
"""LightGBM monotone constraints: +1 the risk may only rise with the value, -1 only fall, 0 free."""
SCHEMA = hashlib.sha256(",".join(f"{n}:{m}" for n, m in zip(NAMES, MONOTONE, strict=True)).encode()).hexdigest()[:16]
"""Names the feature set; a model trained on another one is refused."""
FAMILY_OF = {
    **{name: name.rsplit("_", 1)[0] for name in NAMES[:_N_COUNTS]},
    **{f"days_since_{name}": name for name in _FAMILIES},
    **dict.fromkeys(("silent_days", "idle_days", "silence_ratio", "usual_gap_days"), "silence"),
    **dict.fromkeys(("trend_1_7", "trend_7_30"), "trend"),
    **dict.fromkeys(("events", "key_events", "active_span_days"), "history"),
    **dict.fromkeys(("money_30d", "money_total", "money_mean"), "value"),
    "unanswered_share": "unanswered", "trouble_share": "trouble", "payment_trouble_share": "payment", "mood": "mood",
    **dict.fromkeys(("stage_overdue_days", "backward_moves"), "journey"),
}  # fmt: skip
"""Feature -> the family under which its effect is told."""


def vectors(rows: Rows, now: Floats) -> Floats:
    """Feature matrix (len(rows) x len(NAMES), float64) of these rows at these times (epoch seconds, not before `last`)."""
    assert rows.dtype == ROW
    out = np.empty((len(rows), len(NAMES)))
    silent_for = np.maximum(now - rows["last"], 0.0)[:, None] / DAY
    fade = np.exp2(-silent_for / np.array(HALF_LIVES_DAYS))
    faded = rows["counts"].astype(np.float64) * fade[:, None, :]
    out[:, :_N_COUNTS] = faded.reshape(len(rows), _N_COUNTS)
    last = rows["family_last"].astype(np.float64)
    base = _N_COUNTS + len(Family)
    since = (now[:, None] - last) / DAY
    out[:, _N_COUNTS:base] = np.where(last > 0, np.maximum(since, 0.0), np.nan)

    key_events = rows["key_events"].astype(np.float64)
    had_key = key_events > 0
    reference = np.where(had_key, rows["last_key"], rows["first"])
    silent = np.maximum(now - reference, 0.0) / DAY
    stuck_from = rows["stuck_from"].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        span = np.where(had_key, rows["last_key"] - rows["first_key"], 0.0) / DAY
        gap = np.where(key_events > 1, np.maximum(span / (key_events - 1), MIN_GAP_DAYS), np.nan)
        totals = faded.sum(axis=1)
        at_last = rows["counts"][:, :, 2].astype(np.float64)
        month = at_last.sum(axis=1)
        asked = at_last[:, Family.REPLY] + at_last[:, Family.UNANSWERED]
        paid = at_last[:, Family.PURCHASE] + at_last[:, Family.PAYMENT]
        out[:, base:] = np.stack(
            [
                silent,
                silent_for[:, 0],
                silent / gap,
                totals[:, 0] / (totals[:, 1] + _TREND_FLOOR),
                totals[:, 1] / (totals[:, 2] + _TREND_FLOOR),
                rows["events"].astype(np.float64),
                key_events,
                span,
                gap,
                np.maximum(rows["money"], 0.0) * fade[:, 2],
                rows["cents"],
                rows["cents"] / rows["events"],
                at_last[:, Family.UNANSWERED] / asked,
                at_last[:, Family.TROUBLE] / month,
                at_last[:, Family.PAYMENT] / paid,
                np.where(rows["mood_weight"] > 0, rows["mood"] / rows["mood_weight"], np.nan),
                np.where(stuck_from > 0, np.maximum(now - stuck_from, 0.0) / DAY, np.nan),
                rows["backward"],
            ],
            axis=1,
        )
    return out
