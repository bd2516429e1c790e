"""`leadkeeper simulate`: what a changed policy would have done with a recorded log, beside the one it changes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.table import Table

from agents.cli.common import CONFIG, fail, fail_for, load, out
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agents.simulate import Span
    from streams.volumes import Difference, Verdict, Volumes

T = TypeVar("T")
DETAIL = 60
"""Characters of a reason in an example."""


def simulate(
    policy: Annotated[Path, typer.Option(help="the changed policy", exists=True, dir_okay=False)],
    from_log: Annotated[
        list[Path],
        typer.Option(
            "--from-log", help="JSON lines of lead.events, or any log with --mapping", exists=True, dir_okay=False
        ),
    ],
    against: Annotated[
        Path | None,
        typer.Option(help="the policy to compare with; left out: LEADKEEPER_POLICY", exists=True, dir_okay=False),
    ] = None,
    mapping: Annotated[
        str | None,
        typer.Option(help="a .toml file, or the name of one in deploy/mappings, that says how to read the log"),
    ] = None,
    days: Annotated[
        float, typer.Option(min=0.1, help="simulate the last so many days; before, leads are only watched")
    ] = 90,
    tick_hours: Annotated[float, typer.Option(min=0.1, help="event time between ticks")] = 6.0,
    model: Annotated[
        Path | None, typer.Option(help="folder of a trained model's version; left out: the rule scorer", exists=True)
    ] = None,
    contacts: Annotated[
        bool, typer.Option("--contacts/--no-contacts", help="give leads without an address one at example.com")
    ] = True,
    examples: Annotated[int, typer.Option(min=0, help="ways in which decisions differ, each with an example")] = 5,
) -> None:
    """Replay recorded leads through two policies without sending anything, and show both side by side."""
    from agents.library import load_policy
    from agents.mapping import load_mapping
    from agents.simulate import read_log, span_of
    from agents.simulate import simulate as run
    from streams.risk import RuleScorer, Scorer
    from streams.volumes import by_kind, differing

    try:
        files = [against or load(LeadSettings).policy, policy]
        layout = load_mapping(mapping) if mapping else None
        policies = [layout.policy_with(load_policy(f)) if layout else load_policy(f) for f in files]
        scorer: Scorer = RuleScorer()
        if model is not None:
            from agents.model import load as load_model

            scorer = load_model(model)
        log = read_log(from_log, layout, contacts=contacts)
    except LeadkeeperError as error:
        fail_for(error)
    span = span_of(log.lines, days, tick_hours)
    if span.end <= span.start:
        fail(CONFIG, f"{from_log[0].name} has no time in it: all its events are of one moment")
    with out.status("replaying ..."):
        old, new = (run(log.lines, span, p, scorer) for p in policies)
    _tell(span, old, new, len(log.lines), log.left_out, scorer.version)
    found = differing(old, new)
    out.print(f"\n{len(found):,} of {len(set(old.choices) | set(new.choices)):,} steps end differently")
    for ways, alike in by_kind(found)[:examples]:
        out.print(f"{len(alike):,} times {ways}, like", markup=False)
        _example(alike[0])


def _tell(span: "Span", old: "Volumes", new: "Volumes", events: int, left_out: int, model: str) -> None:
    from datetime import UTC, datetime

    begin, end = (datetime.fromtimestamp(at, UTC) for at in (span.start, span.end))
    out.print(
        f"{events:,} events, simulated from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, judged by {model}; nothing was sent"
    )
    if left_out:
        out.print(f"{left_out:,} rows could not be used: `leadkeeper replay` says why", style="yellow")
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("")
    for volumes in (old, new):
        table.add_column(f"{volumes.policy.name} {volumes.policy.version}", justify="right", overflow="fold")
    days = max((span.end - span.start) / 86_400, 1e-9)
    for name, before, after in _rows(old, new, days):
        bold = not name.startswith("  ")
        table.add_row(f"[bold]{name}[/]" if bold else name, before, after)
    out.print(table)
    out.print(
        "Leads of a recorded log cannot react to what is sent here, and nothing is ever reported as opened.",
        style="dim",
    )


def _rows(old: "Volumes", new: "Volumes", days: float) -> list[tuple[str, str, str]]:
    both = (old, new)

    def row(name: str, of: "Callable[[Volumes], float]", form: str = ",.0f") -> tuple[str, str, str]:
        return name, format(of(old), form), format(of(new), form)

    def at(of: "Callable[[Volumes], Mapping[Any, int]]", key: object) -> "Callable[[Volumes], float]":
        return lambda volumes: of(volumes).get(key, 0)

    def each(of: "Callable[[Volumes], Iterable[T]]") -> list[T]:
        return sorted({key for volumes in both for key in of(volumes)}, key=str)

    return [
        row("rises of stage", lambda v: v.entered.total()),
        *(row(f"  into {stage}", at(lambda v: v.entered, stage)) for stage in each(lambda v: v.entered)),
        row("campaigns begun", lambda v: v.begun.total()),
        *(row(f"  {name}", at(lambda v: v.begun, name)) for name in each(lambda v: v.begun)),
        row("sent", lambda v: v.sent.total()),
        *(row(f"  {channel}", at(lambda v: v.sent, channel)) for channel in each(lambda v: v.sent)),
        row("cost", lambda v: v.cost_cents / 100, ",.2f"),
        row("held or deferred", lambda v: v.kept.total()),
        *(
            row(f"  {rule}, {verdict}", at(lambda v: v.kept, (verdict, rule)))
            for verdict, rule in each(lambda v: v.kept)
        ),
        row("  of these by caps, rests, gaps, budget", lambda v: v.limited()),
        row("  of these beaten in the same moment", lambda v: v.outpaced),
        row("escalations", lambda v: v.escalations.total()),
        row("  a day", lambda v: v.escalations.total() / days, ",.2f"),
        row("  most for one person in a day", lambda v: max(v.escalations.values(), default=0)),
        row("leads contacted", lambda v: len(v.contacts)),
        *(row(f"  {n} times", at(lambda v: v.contacted(), n)) for n in old.contacted()),
    ]


def _example(difference: "Difference") -> None:
    choice = difference.choice
    by = f" by {choice.channel}" if choice.channel else ""
    where = f"{choice.stage}, episode {choice.episode}" if choice.episode else choice.stage
    out.print(f"  {choice.lead}: {choice.step}{by} ({where})", markup=False, soft_wrap=True)
    for name, verdict in (("before", difference.old), ("now", difference.new)):
        out.print(f"    {name:<6} {_said(verdict)}", markup=False, soft_wrap=True)


def _said(verdict: "Verdict | None") -> str:
    if verdict is None:
        return "never came up"
    detail = verdict.detail if len(verdict.detail) <= DETAIL else verdict.detail[: DETAIL - 1] + "…"
    return f"{verdict.at[:16].replace('T', ' ')} {verdict.verdict} ({verdict.rule}: {detail})"
