"""`leadkeeper ledger …`: what couriers know of each command."""

from collections import Counter
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from agents.cli.common import load, out, wait
from agents.settings import Settings
from schemas import topics

app = typer.Typer(
    no_args_is_help=True, help="The couriers' ledger: what was sent, what waits, what nobody can be sure of."
)


@app.command(name="list", epilog="Example: leadkeeper ledger list --in-doubt")
def list_(
    in_doubt: Annotated[
        bool, typer.Option("--in-doubt", help="only commands that may have arrived twice, or not at all")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="newest so many; the counts are always of all")] = 20,
) -> None:
    """Commands and their states, newest last."""
    from agents.couriers.listing import in_doubt as doubted
    from agents.couriers.listing import read_ledger

    settings = load(Settings)
    entries = wait(read_ledger(settings.bootstrap, settings.topic_prefix + topics.LEDGER.name))
    entries = doubted(entries) if in_doubt else entries
    if not entries:
        out.print("nothing is in doubt" if in_doubt else "the ledger is empty")
        return
    table = Table(
        Column("id", no_wrap=True),
        "channel",
        "state",
        "lead",
        Column("at", no_wrap=True),
        "error",
        box=None,
        pad_edge=False,
    )
    for entry in entries[-limit:] if limit else []:
        table.add_row(
            entry.id,
            entry.channel,
            entry.state,
            f"{entry.tenant}:{entry.lead}",
            f"{entry.at:%Y-%m-%d %H:%M}",
            escape(entry.error or ""),
        )
    out.print(table)
    counts = Counter((e.channel, e.state) for e in entries)
    out.print(", ".join(f"{channel} {state} {n:,}" for (channel, state), n in sorted(counts.items())))
