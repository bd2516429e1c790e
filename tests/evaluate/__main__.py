"""`make evaluate ARGS="--data DIR --only cdnow"`: one table over all sets. Exit codes: 0 done, 1 a goal is missed or
something moved a score that must not (the table says NO), 64 no such set, 66 not one set is there."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agents.eventlog import LoggedEvent, read_events
from agents.mapping import load_mapping
from agents.policyfile.read import load_policy
from agents.settings import LeadSettings
from agents.train import read_log
from tests.evaluate import unmoved
from tests.evaluate.rows import MISSED, heading, snapshot_rows, stream_rows
from tests.evaluate.sets import SETS
from tests.worlds import ROOT

DATA = ROOT.parent / "shared" / "data"
app = typer.Typer(add_completion=False)
out = Console(highlight=False, width=80)


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option(help="folder that holds the sets")] = DATA,
    only: Annotated[list[str] | None, typer.Option(help="only this set; may be repeated")] = None,
) -> None:
    """Train and judge by time on each set, with its mapping and nothing else, beside baselines; try what must not matter."""
    if unknown := set(only or ()) - {source.mapping for source in SETS}:
        typer.echo(
            f"no such set: {', '.join(sorted(unknown))}; there are {', '.join(s.mapping for s in SETS)}", err=True
        )
        raise typer.Exit(64)
    policy, found = load_policy(LeadSettings().policy), 0
    missed = False
    out.print(heading())
    for source in SETS:
        if only and source.mapping not in only:
            continue
        files = source.files(data)
        if not files:
            out.print(f"{source.mapping}: skipped, {source.lacking(data)}\n", soft_wrap=True)
            continue
        found += 1
        if source.snapshot:
            told = snapshot_rows(source.mapping, files)
        else:
            layout = load_mapping(source.mapping)
            events = [item for item in read_events(files, layout) if isinstance(item, LoggedEvent)]
            log = read_log(events, layout, policy)
            told = stream_rows(log, layout, files) + unmoved.told(unmoved.World.of(events, layout, policy, log))
        out.print(told, markup=False, soft_wrap=True)
        missed |= MISSED in told
    if not found:
        raise typer.Exit(66)
    raise typer.Exit(int(missed))


if __name__ == "__main__":
    app()
