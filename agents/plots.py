"""Plots as inline SVG, for pages that must stand alone: lines over a square of shares, and bars."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

SIDE, LEFT, BOTTOM, TOP, RIGHT = 300, 44, 40, 10, 24
"""Pixels: of the square that is drawn in, and around it for words."""
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


class Line(NamedTuple):
    """Points of one line, each 0 to 1 of the axes; `kind` is its class in the page's style: model, other, ideal."""

    name: str
    kind: str
    points: Sequence[tuple[float, float]]
    dots: bool = False


def lines(drawn: Sequence[Line], x_name: str, y_name: str, x_ticks: Sequence[tuple[float, str]] = ()) -> Markup:
    """Lines over shares; both axes go from 0 to 100 % unless `x_ticks` (place, word) says otherwise."""
    width, height = LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM + 18 * len(drawn)
    out = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{_safe(y_name)} by {_safe(x_name)}">']
    for tick in TICKS:
        out.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + SIDE}" y1="{_y(tick)}" y2="{_y(tick)}"/>')
        out.append(f'<text class="tick" x="{LEFT - 6}" y="{_y(tick) + 4}" text-anchor="end">{tick:.0%}</text>')
    for place, word in x_ticks or [(tick, f"{tick:.0%}") for tick in TICKS]:
        out.append(f'<line class="grid" x1="{_x(place)}" x2="{_x(place)}" y1="{TOP}" y2="{TOP + SIDE}"/>')
        out.append(
            f'<text class="tick" x="{_x(place)}" y="{TOP + SIDE + 16}" text-anchor="middle">{_safe(word)}</text>'
        )
    middle = LEFT + SIDE / 2
    out.append(f'<text class="axis" x="{middle}" y="{TOP + SIDE + 35}" text-anchor="middle">{_safe(x_name)}</text>')
    for line in drawn:
        path = " ".join(f"{_x(x)},{_y(y)}" for x, y in line.points)
        out.append(f'<polyline class="{line.kind}" points="{path}"/>')
        if line.dots:
            out += [f'<circle class="{line.kind}" cx="{_x(x)}" cy="{_y(y)}" r="3.5"/>' for x, y in line.points]
    for i, line in enumerate(drawn):
        y = TOP + SIDE + BOTTOM + 14 + 18 * i
        out.append(f'<line class="{line.kind}" x1="{LEFT}" x2="{LEFT + 26}" y1="{y - 4}" y2="{y - 4}"/>')
        out.append(f'<text class="key" x="{LEFT + 34}" y="{y}">{_safe(line.name)}</text>')
    return Markup("".join([*out, "</svg>"]))  # noqa: S704 - words are escaped above, the rest are numbers


def bars(shown: Sequence[tuple[str, float, str]]) -> Markup:
    """Horizontal bars: name, length (the longest fills the width), words at its end."""
    longest = max((abs(value) for _, value, _ in shown), default=0.0) or 1.0
    name_at, bar_at, room, step = 110, 118, 180, 24
    out = [f'<svg viewBox="0 0 358 {step * len(shown) + 4}" role="img" aria-label="bars">']
    for i, (name, value, words) in enumerate(shown):
        y, length = step * i + 4, max(abs(value) / longest * room, 1.0)
        out.append(f'<text class="key" x="{name_at}" y="{y + 13}" text-anchor="end">{_safe(name)}</text>')
        out.append(f'<rect class="model" x="{bar_at}" y="{y + 1}" width="{length:.1f}" height="16" rx="2"/>')
        out.append(f'<text class="tick" x="{bar_at + length + 6:.1f}" y="{y + 13}">{_safe(words)}</text>')
    return Markup("".join([*out, "</svg>"]))  # noqa: S704 - as above


def _x(share: float) -> float:
    return round(LEFT + SIDE * share, 1)


def _y(share: float) -> float:
    return round(TOP + SIDE * (1 - share), 1)


def _safe(words: str) -> str:
    return str(Markup.escape(words))
