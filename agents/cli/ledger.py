"""`leadkeeper ledger …`: what couriers know of each command."""

from collections import Counter
from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

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
    for entry in entries[-limit:] if limit else []:
        lead = f"{entry.tenant}:{entry.lead}"
        out.print(
            f"{entry.at:%Y-%m-%d %H:%M}  {entry.channel:12}  {entry.state:10}  {lead}", markup=False, soft_wrap=True
        )
        out.print(Padding(Text(entry.id, style="dim"), (0, 0, 0, 2)))
        if entry.error:
            out.print(Padding(Text(entry.error, style="dim"), (0, 0, 0, 2)))
    counts = Counter((e.channel, e.state) for e in entries)
    out.print(", ".join(f"{channel} {state} {n:,}" for (channel, state), n in sorted(counts.items())))
