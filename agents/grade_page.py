"""The nightly report as one HTML page that stands alone: verdicts, calibration, stages and segments; no script, no network."""

from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from agents.grade_report import Night
from agents.plots import Line, lines
from streams.grade import Grade
from streams.stage import ORDER

TEMPLATE = "grade_page.html.j2"


def page(night: Night) -> str:
    """The page; the same night gives the same bytes."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return env.get_template(TEMPLATE).render(
        night=night,
        broken=night.in_force in night.grades and night.grades[night.in_force].verdict == "fall back",
        moved=[one for one in night.drift if one.moved],
        day=lambda at: f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}",
        names=[str(stage) for stage in ORDER],
        plots={version: _calibration(one) for version, one in night.grades.items()},
    )


def _calibration(one: Grade) -> Markup:
    told = Line("ten equal groups of leads, by risk", "model", [(b.told, b.seen) for b in one.calibration], dots=True)
    return lines([told, Line("as it should be", "ideal", [(0, 0), (1, 1)])], "risk that was told", "went quiet")
