"""`leadkeeper simulate`: what a changed policy would have done with a recorded log, beside the one it changes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.markup import escape
from rich.table import Table

from agents.cli.common import CONFIG, NOT_FOUND, USAGE, err, fail, fail_for, load, out, there, wait
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from agents.simulate import Log, Span
    from streams.volumes import Difference, Verdict, Volumes

T = TypeVar("T")
PEOPLE = 10
"""Who was asked to step in most; the others are counted."""
DETAIL = 60
"""Characters of a reason in an example."""


def simulate(
    policy: Annotated[Path, typer.Option(help="the changed policy", dir_okay=False, callback=there)],
    from_log: Annotated[
        list[Path] | None,
        typer.Option(
            "--from-log", help="JSON lines of lead.events, or any log with --mapping", dir_okay=False, callback=there
        ),
    ] = None,
    from_kafka: Annotated[
        bool, typer.Option("--from-kafka", help="what lead.events holds; nothing is written, no group joined")
    ] = False,
    tenant: Annotated[str | None, typer.Option(help="only the leads of this one")] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="the policy to compare with; left out: LEADKEEPER_POLICY", dir_okay=False, callback=there),
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
        Path | None,
        typer.Option(help="folder of a trained model's version; left out: the rule scorer", callback=there),
    ] = None,
    contacts: Annotated[
        bool, typer.Option("--contacts/--no-contacts", help="give leads without an address one at example.com")
    ] = True,
    examples: Annotated[int, typer.Option(min=0, help="ways in which decisions differ, each with an example")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="all of it as one JSON object")] = False,
) -> None:
    """Replay recorded leads through two policies without sending anything, and show both side by side."""
    from agents.in_force import in_force
    from agents.mapping import load_mapping
    from agents.policyfile.read import load_policy
    from agents.simulate import read_inbox, read_log, span_of
    from agents.simulate import simulate as run
    from streams.risk import RuleScorer, Scorer
    from streams.volumes import by_kind, differing

    if from_kafka == bool(from_log):
        fail(USAGE, "give --from-log FILE, or --from-kafka")
    settings = load(LeadSettings)
    try:
        files = [against or settings.policy, policy]
        layout = load_mapping(mapping) if mapping else None
        policies = [layout.policy_with(load_policy(f)) if layout else load_policy(f) for f in files]
        scorer: Scorer = RuleScorer()
        if model is not None:
            from agents.model import load as load_model

            scorer = load_model(model)
        with err.status("reading ..."):
            log = wait(read_inbox(settings)) if from_kafka else read_log(from_log or [], layout, contacts=contacts)
            now = wait(in_force(settings)) if from_kafka else None
    except LeadkeeperError as error:
        fail_for(error)
    log = log.of_tenant(tenant) if tenant else log
    if not log.lines:
        fail(NOT_FOUND, f"no lead of the tenant {tenant} is in it")
    span = span_of(log.lines, days, tick_hours)
    if span.end <= span.start:
        fail(CONFIG, "there is no time in it: all its events are of one moment")
    with err.status("replaying ..."):
        weights = now.weights if now else None
        old, new = (run(log.lines, span, p, scorer, log.partitions, weights) for p in policies)
    learned = (now.weights_version or None) if now else None
    found, steps = differing(old, new), len(set(old.choices) | set(new.choices))
    kinds = by_kind(found)
    if as_json:
        out.print(
            _as_json(span, old, new, log, (scorer.version, learned), steps, kinds[:examples]),
            soft_wrap=True,
            markup=False,
        )
        return
    _tell(span, old, new, log, scorer.version, "dlq list" if from_kafka else "replay")
    if any(policy.learns for policy in policies):
        untold = "nothing that was learned counts here" + ("" if now else ": that is on the topics (--from-kafka)")
        out.print(f"what is learned goes by {learned}, as in force now" if learned else untold, soft_wrap=True)
    out.print(f"\n{len(found):,} of {steps:,} steps end differently")
    for ways, alike in kinds[:examples]:
        out.print(f"{len(alike):,} times {ways}, like", markup=False)
        _example(alike[0])


def _as_json(
    span: "Span",
    old: "Volumes",
    new: "Volumes",
    log: "Log",
    judged: "tuple[str, str | None]",
    steps: int,
    kinds: "Sequence[tuple[str, list[Difference]]]",
) -> str:
    import json
    from datetime import UTC, datetime

    def one(difference: "Difference") -> dict[str, Any]:
        before, now = (v and v._asdict() for v in (difference.old, difference.new))
        return {**difference.choice._asdict(), "before": before, "now": now}

    days = (span.end - span.start) / 86_400
    told = {
        "from": datetime.fromtimestamp(span.start, UTC).isoformat(),
        "to": datetime.fromtimestamp(span.end, UTC).isoformat(),
        "events": len(log.lines),
        "left_out": log.left_out,
        "partitions": log.partitions,
        "model": judged[0],
        "weights": judged[1],
        "before": old.told(days),
        "now": new.told(days),
        "steps": steps,
        "differing": [{"what": what, "times": len(alike), "example": one(alike[0])} for what, alike in kinds],
    }
    return json.dumps(told, indent=1)


def _tell(span: "Span", old: "Volumes", new: "Volumes", log: "Log", model: str, tells: str) -> None:
    from datetime import UTC, datetime

    begin, end = (datetime.fromtimestamp(at, UTC) for at in (span.start, span.end))
    out.print(
        f"{len(log.lines):,} events, simulated from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, judged by {model}; nothing was sent"
    )
    if log.left_out:
        out.print(
            f"{log.left_out:,} {'rows' if tells == 'replay' else 'records'} could not be used: `leadkeeper {tells}` says why",
            style="yellow",
        )
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("")
    for volumes in (old, new):
        table.add_column(f"{volumes.policy.name} {volumes.policy.version}", justify="right", overflow="fold")
    days = (span.end - span.start) / 86_400
    for name, before, after in _rows(old, new, days):
        bold = not name.startswith("  ")
        table.add_row(f"[bold]{name}[/]" if bold else escape(name), before, after)
    out.print(table)
    out.print(
        "Leads of a recorded log cannot react to what is sent here, and nobody agrees, acknowledges or resolves; receipts and "
        "orders in the recording count only for the very same commands and escalations.",
        style="dim",
    )


def _rows(old: "Volumes", new: "Volumes", days: float) -> list[tuple[str, str, str]]:
    from streams.stage import ORDER

    both = (old, new)

    def row(name: str, of: "Callable[[Volumes], float]", form: str = ",.0f") -> tuple[str, str, str]:
        return name, format(of(old), form), format(of(new), form)

    def at(of: "Callable[[Volumes], Mapping[Any, int]]", key: object) -> "Callable[[Volumes], float]":
        return lambda volumes: of(volumes).get(key, 0)

    def each(of: "Callable[[Volumes], Iterable[T]]") -> list[T]:
        return sorted({key for volumes in both for key in of(volumes)}, key=str)

    def person(name: str) -> tuple[str, str, str]:
        before, after = (v.burdens(days).get(name) for v in both)
        told = [f"{b.a_day:,.2f} ({b.most_in_a_day:,})" if b else "-" for b in (before, after)]
        return f"  {name}", told[0], told[1]

    people = sorted({name for v in both for name in v.burdens(days)}, key=lambda name: -_most(both, name))
    return [
        row("stages entered", lambda v: v.entered.total()),
        *(row(f"  {stage}", at(lambda v: v.entered, stage)) for stage in ORDER[1:]),
        row("  of these long gone: left alone", lambda v: v.gone),
        row("campaigns begun", lambda v: v.begun.total()),
        *(row(f"  {name}", at(lambda v: v.begun, name)) for name in each(lambda v: v.begun)),
        row("sent", lambda v: v.sent.total()),
        *(row(f"  {channel}", at(lambda v: v.sent, channel)) for channel in each(lambda v: v.sent)),
        row("cost", lambda v: v.cost_cents / 100, ",.2f"),
        row("caps hit", lambda v: sum(v.caps_hit().values())),
        row("  over all channels", at(lambda v: v.caps_hit(), "cap_total")),
        row("  of one channel", at(lambda v: v.caps_hit(), "cap_channel")),
        row("quiet-hour deferrals", at(lambda v: v.kept, ("deferred", "quiet_hours"))),
        row("held or deferred otherwise", lambda v: sum(v.kept_otherwise().values())),
        *(
            row(f"  {kept[1]}, {kept[0]}", at(lambda v: v.kept, kept))
            for kept in sorted(each(lambda v: v.kept_otherwise()), key=lambda kept: kept[::-1])
        ),
        row("beaten in the same moment", lambda v: v.outpaced),
        row("escalations", lambda v: v.escalations),
        *([("asked, a day (most in one day)", "", "")] if people else []),
        *(person(name) for name in people[:PEOPLE]),
        *([(f"  and {len(people) - PEOPLE:,} more people", "", "")] if len(people) > PEOPLE else []),
        row("leads contacted", lambda v: len(v.contacts)),
        *(row(f"  {n} message" + "s" * (n != "1"), at(lambda v: v.contacted(), n)) for n in old.contacted()),
        row("  most for one lead", lambda v: max(v.contacts.values(), default=0)),
    ]


def _most(both: "Iterable[Volumes]", name: str) -> int:
    return sum(n for volumes in both for (_, person), n in volumes.asked.items() if person == name)


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
