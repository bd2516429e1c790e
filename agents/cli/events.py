"""`leadkeeper events` and `leadkeeper send`: which events there are, and putting some into the inbox."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from agents.cli.common import FAILED, NOT_FOUND, UNAVAILABLE, err, fail, fail_for, load, out, wait
from agents.settings import LeadSettings
from schemas import topics
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from agents.catalogue import Kind
    from agents.sending import Ready
    from schemas.errors import Rejected

SHOWN = 20
"""Refused lines that are told one by one."""


def events(
    kind: Annotated[str | None, typer.Argument(metavar="[TYPE]", help="its fields, like purchase_completed")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """List the types of events that producers may send to lead.events, and the fields of each."""
    from agents.catalogue import catalogue

    known = catalogue()
    if kind is not None and kind not in known:
        from difflib import get_close_matches

        near = get_close_matches(kind, known, 1)
        hint = f"did you mean {near[0]}?" if near else "`leadkeeper events` lists them"
        fail(NOT_FOUND, f"there is no event {kind}: {hint} What else leads do is `custom`, with a kind of the policy's")
    if as_json:
        told = [known[kind]] if kind else list(known.values())
        out.print_json(data=[one._asdict() | {"fields": [f._asdict() for f in one.fields]} for one in told])
    elif kind is None:
        _list(list(known.values()))
    else:
        _show(known[kind])


def _list(known: "list[Kind]") -> None:
    from agents.catalogue import COMMON

    for group in dict.fromkeys(one.group for one in known):
        table = Table(
            "type", Column("own fields (* required)", ratio=1), box=None, pad_edge=False, expand=False, width=80
        )
        for one in known:
            if one.group == group:
                own = [f"{f.name}{'*' if f.required else ''}" for f in one.fields if f.name not in COMMON]
                table.add_row(one.name, ", ".join(own))
        out.print(f"[bold]{group}[/]")
        out.print(table)
        out.print()
    out.print(
        "Every event about a lead carries type, id, tenant, lead and at.\n"
        "The fields of one type, with an example: leadkeeper events purchase_completed"
    )


def _show(one: "Kind") -> None:
    out.print(f"[bold]{one.name}[/]: {escape(one.about)}\n", soft_wrap=True)
    table = Table(
        "field",
        "",
        Column("value", ratio=2, overflow="fold"),
        Column("example", ratio=2, overflow="fold"),
        box=None,
        pad_edge=False,
        width=80,
    )
    for field in one.fields:
        about = f"; {field.about}" if field.about else ""
        table.add_row(
            field.name, "required" if field.required else "", escape(f"{field.kind}{about}"), escape(field.example)
        )
    out.print(table)
    out.print("\n[bold]example[/] (one line of what `leadkeeper send` reads)")
    out.print(json.dumps(one.example, ensure_ascii=False), soft_wrap=True, markup=False)


def send(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help="JSON lines, an event each; left out, or -: standard input"),
    ] = None,
    after: Annotated[int, typer.Option(min=0, help="leave out the first so many events that may be sent")] = 0,
    history: Annotated[bool, typer.Option("--history", help="also what happened over two days ago")] = False,
    check: Annotated[bool, typer.Option("--check", help="only look; nothing is sent, no broker is asked")] = False,
) -> None:
    """Check events against the schemas and put them into lead.events, each under the right key. Ends with 1 if any is refused.

    What is refused is told with its line and remedy, and the others are sent. Where the broker stops taking them, it says how to go on.
    History is judged as of today: so that nothing is sent because of it, `leadkeeper policy watch` comes before it and `policy act` after.
    """
    from agents.sending import SendingStoppedError, usable
    from agents.sending import send as to_inbox

    settings, refused = load(LeadSettings), Counter[str]()
    for path in files or []:
        if str(path) != "-" and not path.is_file():
            fail(NOT_FOUND, f"there is no file {path}; name one with JSON lines, or - for standard input")

    def good() -> "Iterator[Ready]":
        for path in files or [Path("-")]:
            with nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as lines:
                told, by_event_time = partial(_refuse, refused, str(path)), settings.clock == "event"
                yield from usable(lines, told, by_event_time=by_event_time, history=history)

    rest = islice(good(), after, None)
    try:
        sent = sum(1 for _ in rest) if check else wait(to_inbox(settings, rest))
    except LeadkeeperError as error:
        fail_for(error)
    except SendingStoppedError as error:
        done = after + error.sent
        fail(UNAVAILABLE, f"{error}; {done:,} events are in: go on with the same files and --after {done}")
    said = (
        f"{sent:,} events may be sent"
        if check
        else f"sent {sent:,} events to {settings.topic_prefix}{topics.EVENTS.name}"
    )
    if not refused:
        out.print(said, soft_wrap=True)
        return
    why = ", ".join(f"{reason} {n:,}" for reason, n in refused.most_common())
    out.print(f"{said}; refused {refused.total():,}: {why}", soft_wrap=True)
    raise typer.Exit(FAILED)


def _refuse(refused: Counter[str], where: str, line: int, why: "Rejected") -> None:
    refused[str(why.reason)] += 1
    if refused.total() <= SHOWN:
        err.print(f"{where}:{line}: {why.field}: {why.message}; {why.remedy}", markup=False, soft_wrap=True)
