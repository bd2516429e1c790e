"""A model's card as one HTML page that stands alone: figures beside their baselines, and plots; no script, no network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from agents.beside import stage_rows, warned_by, warning_rows
from agents.bygone import in_words
from agents.manifest import Manifest, Scorecard
from agents.model_card import MEASURES, mood_in_words, windows_of
from agents.plots import Line, bars, lines
from streams.asked import quiet_in_words, who_in_words
from streams.curves import SHARES

TEMPLATE = "model_page.html.j2"
LEAST_LOSS = 0.0005
"""What would be shown as a loss of zero is left out."""


def page(manifest: Manifest) -> str:
    """The page. Only what the manifest knows is drawn; the same manifest gives the same bytes."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    tested = manifest.tested
    figures: list[dict[str, Any]] = [
        {
            "name": name, "meaning": meaning, "model": tested.model[key], "recency": tested.recency[key],
            "rfm": tested.rfm.get(key),
        }
        for key, name, meaning in MEASURES
        if tested is not None
    ]  # fmt: skip
    return env.get_template(TEMPLATE).render(
        m=manifest,
        quiet=quiet_in_words(manifest.label),
        who=who_in_words(manifest.label),
        windows=windows_of(manifest),
        figures=figures,
        plots=_plots(tested) if tested else [],
        importance=_importance(tested) if tested else None,
        stages=stage_rows(tested) if tested else [],
        warned_by=warned_by(tested) if tested else [],
        warning=warning_rows(tested) if tested else [],
        mood=mood_in_words(manifest),
        bygone=in_words(manifest.trained.bygone),
    )


def _plots(tested: Scorecard) -> list[dict[str, str | Markup]]:
    return [*_from_curves(tested), *_early(tested)]


def _from_curves(tested: Scorecard) -> list[dict[str, str | Markup]]:
    curves = tested.curves
    if curves is None:
        return []
    ideal = Line("as it should be", "ideal", [(0, 0), (1, 1)])
    told = Line(
        "ten equal groups of leads, by risk", "model", [(b.told, b.seen) for b in curves.calibration], dots=True
    )
    found = Line("model", "model", list(zip(SHARES, curves.found, strict=True)))
    alone = Line("recency alone", "other", list(zip(SHARES, curves.found_by_recency, strict=True)))
    return [
        {
            "title": "Does a risk mean what it says?",
            "plot": lines([told, ideal], "risk that was told", "went quiet"),
            "words": "Upwards: how many of each group really went quiet. On the dotted line the risk is exactly right; "
            "above it, it was told too low.",
        },
        {
            "title": "Are those who leave at the top of the list?",
            "plot": lines(
                [found, alone, Line("by chance", "ideal", [(0, 0), (1, 1)])], "riskiest share of all", "found"
            ),
            "words": "Upwards: how many of all who went quiet are among them. The higher the line bends to the left, the "
            "fewer leads have to be contacted to reach them.",
        },
    ]


def _early(tested: Scorecard) -> list[dict[str, str | Markup]]:
    warned = tested.warning
    if warned is None or not warning_rows(tested):
        return []
    longest = max(warned.days)
    places = [1 - days / longest for days in warned.days]

    def line(name: str, kind: str, shares: Sequence[float | None]) -> Line:
        known = sorted((place, share) for place, share in zip(places, shares, strict=True) if share is not None)
        return Line(name, kind, known, dots=True)

    volume = Line(
        "of all who are judged, the same (the volume)", "ideal", [(0, warned.contacted), (1, warned.contacted)]
    )
    ticks = [(place, f"{days:g} d") for place, days in zip(places, warned.days, strict=True)]
    return [
        {
            "title": "How early does it know?",
            "plot": lines(
                [
                    line("of the lost, before they counted as lost", "model", warned.before_lost),
                    line("of the lost, before their last sign of life", "other", warned.before_last_sign),
                    volume,
                ],
                "days before",
                "in early warning or above",
                ticks,
            ),
            "words": "Before its last sign of life a lead still looks alive, and nobody can know much; afterwards silence tells. "
            "A curve that lies no higher than the dotted line would be reached by contacting anybody.",
        }
    ]


def _importance(tested: Scorecard) -> Markup | None:
    shown = [(family, loss, f"{loss:.3f}") for family, loss in tested.importance.items() if loss >= LEAST_LOSS]
    return bars(shown) if shown else None
