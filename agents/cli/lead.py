"""`leadkeeper lead …`: one lead, for people."""

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from agents.cli.common import NOT_FOUND, fail, fail_for, load, out, wait
from agents.settings import LeadSettings, Settings
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from agents.timeline import Entry
    from streams.risk import Scorer

app = typer.Typer(no_args_is_help=True, help="Look at one lead.")
COLOURS = {
    "event": "white", "rejected": "dark_orange", "risk": "yellow", "decision": "cyan", "command": "green",
    "receipt": "blue", "escalation": "red", "outcome": "magenta",
    "journey": "bright_cyan",
}  # fmt: skip


@app.command(epilog="Example: leadkeeper lead show cdnow 01234")
def show(
    tenant: Annotated[str, typer.Argument(help="like acme")],
    lead: Annotated[str, typer.Argument(help="the lead's id within the tenant")],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
    last: Annotated[int, typer.Option(min=1, help="newest so many lines")] = 200,
) -> None:
    """The lead's story, from the topics: events, risk with reasons, decisions, commands, receipts, outcomes."""
    from agents.timeline import story

    settings = load(Settings)
    entries = wait(story(settings.bootstrap, settings.topic_prefix, tenant, lead))
    if not entries:
        fail(NOT_FOUND, f"no record about {tenant}:{lead} in the topics; check tenant and id, case counts")
    print_story(entries[-last:], as_json=as_json)


@app.command(epilog="Example: leadkeeper lead explain cdnow 01234")
def explain(
    tenant: Annotated[str, typer.Argument(help="like acme")],
    lead: Annotated[str, typer.Argument(help="the lead's id within the tenant")],
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Why its risk is what it is now: exact effects by family, health, expected spending, and what to do; from its state, by its model."""
    from agents.cli.promotion import scorer_of
    from agents.explained import explain as work_out
    from agents.explained import told
    from agents.in_force import at_hand
    from streams.risk import FAMILIES

    settings = load(LeadSettings)

    async def model(version: str) -> "Scorer":
        return await asyncio.to_thread(scorer_of, settings, version)

    try:
        env = wait(at_hand(settings))
        found = wait(work_out(settings.bootstrap, settings.topic_prefix, tenant, lead, model, env))
    except LeadkeeperError as error:
        fail_for(error)
    if found is None:
        fail(NOT_FOUND, f"no state of {tenant}:{lead} is held; check tenant and id, case counts")
    at = datetime.fromtimestamp(found.now, UTC)
    if not as_json:
        out.print(told(f"{tenant}:{lead}", f"{at:%Y-%m-%d %H:%M}", found), markup=False, end="")
        return
    out.print_json(
        data={
            "tenant": tenant, "lead": lead, "at": at.isoformat(), "probability": found.probability,
            "model_version": found.scorer.version,
            "confidence": found.confidence, "base": round(found.base, 6),
            "effects": dict(zip(FAMILIES, found.effects.round(6).tolist(), strict=True)),
            "last": found.last and {"at": found.last.at.isoformat(), "probability": found.last.probability},
            "shift": found.shift and found.shift.model_dump(mode="json"),
            "time_to_churn": found.forecast and found.forecast._asdict(),
            "health": found.health, "parts": [part.model_dump() for part in found.parts],
            "future_value_cents": found.future_value_cents, "recommended": found.recommended,
        }
    )  # fmt: skip


@app.command(epilog="Example: leadkeeper lead journey acme L-1001")
def journey(
    tenant: Annotated[str, typer.Argument(help="like acme")],
    lead: Annotated[str, typer.Argument(help="the lead's id within the tenant")],
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Where it is on its journey: stage, completion, what is in the way, chance of success as measured, what is next."""
    from agents import journeys

    settings = load(Settings)
    found = wait(journeys.journey(settings.bootstrap, settings.topic_prefix, tenant, lead))
    if found is None:
        fail(
            NOT_FOUND,
            f"nothing was heard of {tenant}:{lead} on a journey: it is in the first stage, or its policy has no [journey]",
        )
    if as_json:
        out.print_json(data=journeys.as_data(tenant, lead, found))
        return
    out.print(journeys.in_words(f"{tenant}:{lead}", found), markup=False, end="")


@app.command(epilog="Example: leadkeeper lead contact acme L-1001")
def contact(
    tenant: Annotated[str, typer.Argument(help="like acme")],
    lead: Annotated[str, typer.Argument(help="the lead's id within the tenant")],
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """How to get through to it: best hour, day and channel, chance of an answer, tone; or that there is not enough data."""
    from agents.contact import find
    from agents.in_force import in_force
    from streams import accuracy
    from streams.contacting import in_words

    settings = load(LeadSettings)
    try:
        policies = wait(in_force(settings)).policies
    except LeadkeeperError as error:
        fail_for(error)
    found = wait(find(settings.bootstrap, settings.topic_prefix, tenant, lead, policies.get(tenant) or policies["*"]))
    if found is None:
        fail(NOT_FOUND, f"no state of {tenant}:{lead} is held; check tenant and id, case counts")
    if as_json:
        known = found.contacting
        told = known._asdict() | {
            "hour": known.hour and known.hour._asdict(), "day": known.day and known.day._asdict(),
            "ways": {channel: way._asdict() for channel, way in known.ways.items()},
            "kind": known.kind and known.kind._asdict(), "content": known.content and known.content._asdict(),
            "next": known.next and {"step": known.next.step, "channel": known.next.channel, "due": known.next.due},
        }  # fmt: skip
        right = {
            name: {"as_told": held.as_told._asdict(), "others": held.others._asdict(), "enough": held.enough}
            for name, held in (("hour", found.accuracy.hour), ("channel", found.accuracy.channel))
        }
        out.print_json(
            data={
                "tenant": tenant,
                "lead": lead,
                "at": found.at.isoformat(),
                "zone": found.zone,
                **told,
                "accuracy": right,
            }
        )
        return
    lines = in_words(f"{tenant}:{lead}", found.at, found.zone, found.contacting)
    for line in [*lines, *accuracy.in_words(found.accuracy, tenant)]:
        out.print(line, markup=False, soft_wrap=True)


@app.command(epilog="Example: leadkeeper lead journeys acme")
def journeys(tenant: Annotated[str, typer.Argument(help="like acme")]) -> None:
    """How the journeys of a tenant's leads go: by stage, how many entered, moved on or back or got stuck, and in how many days."""
    from agents.journeys import funnel, funnel_table
    from streams.progress import ENOUGH

    settings = load(Settings)
    progress = wait(funnel(settings.bootstrap, settings.topic_prefix, tenant))
    if not progress.stays:
        fail(NOT_FOUND, f"nothing was heard of {tenant}'s leads on a journey; has its policy a [journey]?")
    out.print(funnel_table(progress))
    out.print(
        f"[dim](days: median of those who moved on; get through: of those who moved on or back or got stuck, with its 95 % interval, "
        f"from {ENOUGH} on)[/]"
    )


WHY = ("risk", "decision", "escalation", "journey")


def why(
    tenant: Annotated[str, typer.Argument(help="like acme")],
    lead: Annotated[str, typer.Argument(help="the lead's id within the tenant")],
    step: Annotated[str, typer.Option(help="only decisions about this step, like call_task")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
    last: Annotated[int, typer.Option(min=1, help="newest so many lines")] = 50,
) -> None:
    """Why a lead was, or was not, contacted: each decision with its rule, the winner, and what it rested on."""
    from agents.timeline import story

    settings = load(Settings)
    entries = wait(story(settings.bootstrap, settings.topic_prefix, tenant, lead))
    told = [e for e in entries if e.kind in WHY and (not step or (e.kind == "decision" and step in e.text))]
    if not told:
        fail(
            NOT_FOUND,
            f"nothing was decided about {tenant}:{lead}{f', {step}' if step else ''}; `lead show` has all there is",
        )
    print_story(told[-last:], as_json=as_json, rested=True)


def print_story(entries: "list[Entry]", *, as_json: bool = False, rested: bool = False) -> None:
    """Print a story, a line each; with what decisions rested on, if asked."""
    if as_json:
        for entry in entries:
            line = {"at": entry.at.isoformat(), "kind": entry.kind, "text": entry.text}
            line |= {"note": entry.note} if entry.note else {}
            line |= {"inputs": entry.inputs} if rested and entry.inputs else {}
            out.print(json.dumps(line), markup=False, soft_wrap=True)
        return
    table = Table.grid(padding=(0, 2))
    for width in (16, max(map(len, COLOURS)), None):  # the same, also where a story is printed in parts
        table.add_column(min_width=width)
    for entry in entries:
        when, kind = Text(f"{entry.at:%Y-%m-%d %H:%M}", style="dim"), Text(entry.kind, style=COLOURS[entry.kind])
        table.add_row(when, kind, Text(entry.text))
        if rested and entry.inputs:
            table.add_row("", "", Text(entry.inputs, style="dim"))
    out.print(table)
    for note in dict.fromkeys(entry.note for entry in entries if entry.note):
        out.print(f"[dim]({note})[/]")
