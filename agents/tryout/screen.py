"""The live view: what the workers' own metrics say, twice a second; a plain line now and then where there is no terminal."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from agents.tryout.figures import Figures

PLAIN_EVERY_S = 5.0
WIDTH = 80
HISTORY = "history"
"""The phase before the live part."""
STAGES = (("none", "green"), ("early_warning", "yellow"), ("active_risk", "dark_orange"), ("critical_risk", "red"))


class Screen:
    """Shows progress.

    Args:
        console: Where to.
        title: What is running.
        first: First event time of the log, epoch seconds.
        start: First event time of the live part.
        end: Its last.
    """

    def __init__(self, console: Console, title: str, first: float, start: float, end: float) -> None:
        """Nothing is shown yet."""
        self._console, self._title, self._first, self._start, self._end = console, title, first, start, end
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._last: tuple[float, float] = (time.monotonic(), 0.0)
        self._said = 0.0
        self._rate = 0.0

    def __enter__(self) -> Self:
        """Open the view."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last picture standing."""
        if self._live is not None:
            self._live.stop()

    def show(self, figures: Figures, now: float, phase: str) -> None:
        """Draw one picture."""
        at, events = time.monotonic(), figures.sum("leadkeeper_events_total")
        before, seen = self._last
        if at - before >= 1.0:
            self._rate, self._last = (events - seen) / (at - before), (at, events)
        if self._live is not None:
            self._live.update(self.picture(figures, now, phase), refresh=True)
        elif at - self._said >= PLAIN_EVERY_S:
            self._said = at
            self._console.print(self.line(figures, now, phase), soft_wrap=True)

    def share(self, now: float, phase: str) -> float:
        """Part of the way through the history, or through the live part, 0 to 1."""
        begin, end = (self._first, self._start) if phase == HISTORY else (self._start, self._end)
        return min(max((now - begin) / max(end - begin, 1.0), 0.0), 1.0)

    def line(self, figures: Figures, now: float, phase: str) -> str:
        """A few plain lines, at most 80 columns each."""
        stages = figures.by("leadkeeper_stage_leads", "stage")
        sends = figures.by("leadkeeper_sends", "channel", state="sent")
        held = figures.by("leadkeeper_decisions_total", "rule", verdict="held")
        deferred = figures.by("leadkeeper_decisions_total", "rule", verdict="deferred")
        return "\n".join(
            (
                (
                    f"{phase:9} {100 * self.share(now, phase):3.0f} %  {_day(now)}  {self._rate:,.0f} records/s, "
                    f"lag {figures.sum('leadkeeper_lag_records'):,.0f}"
                ),
                "  leads     " + ", ".join(f"{name} {stages.get(name, 0):,.0f}" for name, _ in STAGES),
                "  delivered " + _few(sends),
                "  held      " + _few(held),
                "  deferred  " + _few(deferred),
                f"  escalated {figures.sum('leadkeeper_open_escalations'):,.0f} open; event to command {_latency(figures)}",
            )
        )

    def picture(self, figures: Figures, now: float, phase: str) -> RenderableType:
        """The whole view, 80 columns wide."""
        stages = figures.by("leadkeeper_stage_leads", "stage")
        most = max(stages.values(), default=1.0)
        by_stage = Table.grid(padding=(0, 1))
        for name, colour in STAGES:
            n = stages.get(name, 0.0)
            by_stage.add_row(name, f"{n:>7,.0f}", Text("█" * round(14 * n / most), style=colour))
        sends = figures.by("leadkeeper_sends", "channel", state="sent")
        planned = figures.by("leadkeeper_decisions_total", "channel", verdict="sent")
        by_channel = _table(
            ("channel", "commands", "delivered"), [(c, planned[c], sends.get(c)) for c in sorted(planned)]
        )
        held = figures.by("leadkeeper_decisions_total", "rule", verdict="held")
        deferred = figures.by("leadkeeper_decisions_total", "rule", verdict="deferred")
        rows = sorted({*held, *deferred}, key=lambda rule: -(held.get(rule, 0) + deferred.get(rule, 0)))[:6]
        by_rule = _table(("held back by", "held", "deferred"), [(r, held.get(r), deferred.get(r)) for r in rows])
        lag = figures.sum("leadkeeper_lag_records")
        facts = Table.grid(padding=(0, 1))
        facts.add_row("escalations open", f"{figures.sum('leadkeeper_open_escalations'):,.0f}")
        facts.add_row("records folded", f"{figures.sum('leadkeeper_events_total'):,.0f}")
        facts.add_row("records/s", f"{self._rate:,.0f}")
        facts.add_row("event to command", _latency(figures))
        facts.add_row("lag", f"{lag:,.0f} records")
        half = WIDTH // 2
        top = Columns([_box("leads by stage", by_stage, half), _box("the machine", facts, half)], padding=0, width=half)
        low = Columns(
            [_box("interventions", by_channel, half), _box("decisions", by_rule, half)], padding=0, width=half
        )
        head = Table.grid(padding=(0, 1))
        head.add_row(
            Text(f"{phase:9}", style="bold"), ProgressBar(total=1.0, completed=self.share(now, phase), width=WIDTH - 38),
            f"{100 * self.share(now, phase):3.0f} %", _day(now),
        )  # fmt: skip
        return Group(Text(self._title, style="bold"), head, top, low)


def _box(title: str, inside: RenderableType, width: int) -> Panel:
    return Panel(inside, title=title, title_align="left", width=width, height=9, border_style="dim")


def _table(heads: tuple[str, ...], rows: list[tuple[str, float | None, float | None]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i else "left", header_style="dim", no_wrap=True)
    for name, *values in rows:
        table.add_row(name, *("" if v is None else f"{v:,.0f}" for v in values))
    return table


def _few(counts: Mapping[str, float]) -> str:
    """The largest three, and how many more there are in all."""
    largest = sorted(counts.items(), key=lambda item: -item[1])
    rest = sum(n for _, n in largest[3:])
    words = [f"{name} {n:,.0f}" for name, n in largest[:3]] + ([f"others {rest:,.0f}"] if rest else [])
    return ", ".join(words) or "nothing yet"


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _latency(figures: Figures) -> str:
    bounds = {q: figures.quantile("leadkeeper_event_to_command_seconds", q) for q in (0.5, 0.99)}
    if bounds[0.5] is None or bounds[0.99] is None:
        return "no command yet"
    return f"p50 ≤ {_ms(bounds[0.5])}, p99 ≤ {_ms(bounds[0.99])}"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms" if seconds < 1 else f"{seconds:,.1f} s" if seconds < 10 else f"{seconds:,.0f} s"


def totals(figures: Figures) -> Mapping[str, float]:
    """The few numbers that the end of a run quotes."""
    return {
        "records": figures.sum("leadkeeper_events_total"),
        "dead": figures.sum("leadkeeper_dead_letters_total"),
        "duplicates": figures.sum("leadkeeper_duplicates_total"),
    }
