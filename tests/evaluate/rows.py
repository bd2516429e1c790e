"""The lines of the table. Goals are those of the project's issue: AUC, log loss and calibration error of each log."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from agents.mapping import Layout
from agents.snapshots import ActivityLog
from agents.table_mapping import load_table_mapping
from agents.tables import train_table
from tests.evaluate.crossed import crossed
from tests.evaluate.walk import Leg, told, walk
from tests.evaluate.yardstick import bank, shop, yardstick

MEASURES = ("auc", "average_precision", "log_loss", "brier", "ece", "lift_at_10")
NO_FIGURE = "-"
MISSED = ": NO"
"""Stands behind a goal or a law that is not met."""
ECE_GOAL, BELOW_YARDSTICK = 0.03, 0.02


def heading() -> str:
    """Names of the columns."""
    names = ("AUC", "AP", "log loss", "Brier", "ECE", "lift 10%")
    return f"{'':26}" + "".join(f"{name:>9}" for name in names)


def line(name: str, figures: dict[str, float]) -> str:
    """One scorer's figures; those it has none of as a dash."""
    cells = (f"{figures[key]:9.3f}" if key in figures else f"{NO_FIGURE:>9}" for key in MEASURES)
    return f"  {name:24}" + "".join(cells)


def stream_rows(log: ActivityLog, layout: Layout, files: Sequence[Path]) -> str:
    """A log's block: the model, what it has to beat, time to churn, early warning, goals."""
    legs = list(walk(log, layout.label, layout.name))
    cards = [leg.card for leg in legs]
    first, last = cards[0].window.first, cards[-1].window.last
    rows, quiet = sum(c.window.rows for c in cards), sum(c.window.churned for c in cards)
    model, weights = told(legs), [c.window.rows for c in cards]
    single = float(np.average([c.single[1] for c in cards if c.single], weights=weights))
    base = float(np.average([c.base_log_loss for c in cards], weights=weights))
    table = bank(files) if layout.name == "bank_leads" else shop  # the yardstick is hand-made; the product above is not
    best = yardstick(log, layout.label, legs, table)
    lines = [
        f"{layout.name}: {rows:,} rows, {first:%Y-%m-%d} to {last:%Y-%m-%d}, {quiet / rows:.1%} quiet, trained {len(legs)}x",
        line("model", model),
        line("logistic RFM", told(legs, "rfm")),
        line("recency alone", told(legs, "recency")),
        line(f"best alone: {cards[-1].single[0] if cards[-1].single else NO_FIGURE}"[:24], {"auc": single}),
        line("base rate", {"auc": 0.5, "log_loss": base}),
        line("yardstick, hand-made", {"auc": best}),
        line("the future's level known", {"ece": model["ece_level_known"]}),
        line("by chance, if all right", {"ece": model["ece_by_chance"]}),
        f"  {_goals(layout.name, model, single, best)}",
        *(_crossed(log, legs[-1]) if legs[-1].plan.apart == "leads" else ()),
        *_more(legs),
    ]
    return "\n".join(lines) + "\n"


def _goals(name: str, model: dict[str, float], single: float, best: float) -> str:
    goals = {
        f"AUC within {BELOW_YARDSTICK} of the yardstick": model["auc"] >= best - BELOW_YARDSTICK,
        "above the best alone": model["auc"] > single,
    }
    if name == "cdnow":
        goals |= {"AUC >= 0.81": model["auc"] >= 0.81, "log loss <= 0.34": model["log_loss"] <= 0.34}
    met = "; ".join(f"{goal}{': yes' if met else MISSED}" for goal, met in goals.items())
    return f"{met}; ECE <= {ECE_GOAL}{_honest(model)}"


def _honest(model: dict[str, float]) -> str:
    """Whether the probabilities are; where they are not, whether anything could have told."""
    known, chance = model["ece_level_known"], model["ece_by_chance_95"]
    if model["ece"] <= ECE_GOAL:
        return ": yes"
    if model["ece"] <= chance:
        return (
            f": not to be told on so few rows (where all are right, chance shows up to {chance:.3f} in 95 of 100 cases)"
        )
    if known <= ECE_GOAL:
        return f"{MISSED}, by the level of weeks to come alone ({known:.3f} if that were known)"
    return f"{MISSED}, nor with the level of weeks to come known ({known:.3f})"


def _crossed(log: ActivityLog, leg: Leg) -> list[str]:
    """For a log so short that training and calibration differ in leads: no split in time, and rows enough to tell."""
    found = crossed(log, leg).items()
    return ["  crossed by lead over the training rows, no time split:"] + [
        f"    {name}, {by.rows:,} rows of {by.leads:,} leads: ECE {by.ece:.3f}, by chance {by.by_chance:.3f}, surely {by.at_least:.3f}"
        for name, by in found
    ]


def _more(legs: list[Leg]) -> list[str]:
    """Level week by week; early warning and time to churn of the first model, over all that came after it."""
    levels = ", ".join(f"{expected:.0%}/{seen:.0%}" for expected, seen in map(_level, legs))
    out = [f"  going quiet, told/seen, week by week: {levels}"]
    tested = legs[0].model.manifest.tested
    warned = {"early_warning": tested.warning, **tested.warning_later} if tested and tested.warning else {}
    for stage, w in warned.items():
        out.append(
            f"  {stage}: contacting {w.contacted:.0%}, it has {_shares(w.before_lost)} of the lost 7/14/30 days before, "
            f"{_shares(w.before_last_sign)} before their last sign of life"
        )
    hazard = tested.time_to_churn if tested else {}
    if hazard:
        days = [d for d in (7, 14, 30) if f"told_{d}" in hazard]
        pairs = ", ".join(f"{d} days {hazard[f'told_{d}']:.0%}/{hazard[f'seen_{d}']:.0%}" for d in days)
        out.append(f"  lost, of those at risk, told/seen: {pairs}")
    return out


def _level(leg: Leg) -> tuple[float, float]:
    rungs = leg.card.stages
    rows = sum(rung.rows for rung in rungs)
    return sum(r.told * r.rows for r in rungs) / rows, sum(r.seen * r.rows for r in rungs) / rows


def _shares(shares: Sequence[float | None]) -> str:
    return "/".join(NO_FIGURE if share is None else f"{share:.0%}" for share in shares)


def snapshot_rows(mapping: str, files: Sequence[Path]) -> str:
    """A table's block: trained on three fifths of the rows, calibrated on one, judged on one."""
    card = train_table(files, load_table_mapping(mapping)).card
    name, rank = card.single
    chance, surely = card.model["ece_by_chance"], card.model["ece_at_least"]
    told = [
        f"{mapping}: {card.rows[2]:,} of {sum(card.rows):,} rows judged, split by {card.split}",
        line("model", card.model),
        line("logistic, same columns", card.logistic),
        line(f"best alone: {name}"[:24], {"auc": rank}),
        line("base rate", {"auc": 0.5, "log_loss": card.base_log_loss}),
        f"  ECE by chance {chance:.3f}, surely no chance {surely:.3f}; flags: {'; '.join(card.flags) or 'none'}",
    ]
    return "\n".join(told) + "\n"
