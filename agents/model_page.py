"""A model's card as one HTML page that stands alone: figures beside their baselines, and plots; no script, no network."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from agents.model import Manifest
from agents.model_card import MEASURES, quiet_in_words, who_in_words, windows_of
from agents.plots import Line, lines
from streams.curves import SHARES

TEMPLATE = "model_page.html.j2"


def page(manifest: Manifest) -> str:
    """The page. Only what the manifest knows is drawn; the same manifest gives the same bytes."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    tested = manifest.tested
    figures: list[dict[str, Any]] = [
        {"name": name, "model": tested.model[key], "recency": tested.recency[key], "meaning": meaning}
        for key, name, meaning in MEASURES
        if tested is not None
    ]
    return env.get_template(TEMPLATE).render(
        m=manifest,
        quiet=quiet_in_words(manifest),
        who=who_in_words(manifest),
        windows=windows_of(manifest),
        figures=figures,
        plots=_plots(manifest),
    )


def _plots(manifest: Manifest) -> list[dict[str, str | Markup]]:
    curves = manifest.tested.curves if manifest.tested else None
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
