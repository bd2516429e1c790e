"""What a model's stages hold and how early it warns, beside its baselines: cells for the card and the page.

Each is put into stages by its own calibrated probabilities at the same thresholds, so a stage holds other rows for each, and
each contacts another share of all who are judged: an earlier warning counts only at the volume that it takes.
"""

from collections.abc import Mapping

from agents.manifest import Beside, EarlyWarning, Scorecard
from streams.stage import ORDER

NAMES = {"model": "model", "recency": "recency", "rfm": "RFM"}
NONE = "-"


def scorers(tested: Scorecard) -> dict[str, Beside]:
    """The model and those baselines that were put into stages, by the name that people read."""
    found = {"model": Beside(stages=tested.stages, warning=tested.warning), **tested.beside}
    return {name: found[key] for key, name in NAMES.items() if key in found}


def stage_rows(tested: Scorecard) -> list[tuple[str, ...]]:
    """Stage, scorer, rows, told, went quiet, calibration error within the stage, and what chance alone would show."""
    return [
        (
            rung.stage,
            name,
            f"{rung.rows:,}",
            f"{rung.told:.1%}",
            f"{rung.seen:.1%}",
            _error(rung.ece),
            _error(rung.ece_by_chance),
        )
        for stage in ORDER
        for name, one in scorers(tested).items()
        for rung in one.stages
        if rung.stage == stage
    ]


def warning_rows(tested: Scorecard) -> list[tuple[str, ...]]:
    """What is counted, and of each scorer how much; no rows where nobody was lost."""
    by = {name: one.warning for name, one in scorers(tested).items()}
    warned = {name: one for name, one in by.items() if one is not None}
    told = warned.get("model")
    if told is None or not any(share is not None for share in told.before_lost):
        return []
    rows: list[tuple[str, ...]] = []
    for i, days in enumerate(told.days):
        rows.append((f"{days:g} days before they were lost", *_shares(warned, "before_lost", i)))
    for i, days in enumerate(told.days):
        rows.append((f"{days:g} days before the last sign of life", *_shares(warned, "before_last_sign", i)))
    medians = (NONE if one.median_days is None else f"{one.median_days:.0f}" for one in warned.values())
    rows.append(("median days from warning to loss", *medians))
    rows.append(("of all who are judged: the volume", *(f"{one.contacted:.0%}" for one in warned.values())))
    return rows


def warned_by(tested: Scorecard) -> list[str]:
    """Whose warnings `warning_rows` tells, in the order of its cells."""
    return [name for name, one in scorers(tested).items() if one.warning is not None]


def _error(error: float | None) -> str:
    return NONE if error is None else f"{error:.3f}"


def _shares(warned: Mapping[str, EarlyWarning], field: str, i: int) -> list[str]:
    shares = (getattr(one, field)[i] for one in warned.values())
    return [NONE if share is None else f"{share:.0%}" for share in shares]
