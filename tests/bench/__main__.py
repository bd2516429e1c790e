"""`make bench ARGS="…"`: run some benches, print the table, write the JSON."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.bench import count, full, hold, hot_spots, latency, rebalance, swap
from tests.bench.figures import Bench, Figure
from tests.bench.machine import heading
from tests.bench.report import gather, show, write
from tests.brokers import BrokerChoice
from tests.worlds import ROOT

BENCHES: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "count": count.run,
    "full": full.run,
    "latency": latency.run,
    "hold": hold.run,
    "rebalance": rebalance.run,
    "swap": swap.run,
    "profile": hot_spots.run,
}

app = typer.Typer(add_completion=False)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help=f"which: {', '.join(BENCHES)}; none = all")] = None,
    repeat: Annotated[int, typer.Option(min=1, help="times that each figure is taken")] = 3,
    events: Annotated[int, typer.Option(min=1_000, help="events of the count job")] = 3_000_000,
    keys: Annotated[int, typer.Option(min=1, help="of the count job")] = 1_000,
    full_events: Annotated[int, typer.Option(min=1_000, help="events of the full job")] = 300_000,
    leads: Annotated[
        list[int] | None, typer.Option(help="leads held; may be repeated (full: one thing varies at a time)")
    ] = None,
    partitions: Annotated[list[int] | None, typer.Option(help="of the inbox; may be repeated")] = None,
    size: Annotated[list[int] | None, typer.Option(help="bytes of an event; may be repeated")] = None,
    processes: Annotated[list[int] | None, typer.Option(help="lead agents; may be repeated")] = None,
    rate: Annotated[list[int] | None, typer.Option(help="events/s of the latency bench; may be repeated")] = None,
    seconds: Annotated[float, typer.Option(min=20.0, help="that the latency bench sends at each rate")] = 40.0,
    exactly_once: Annotated[
        bool, typer.Option("--exactly-once", help="full and latency also with workers that write in transactions")
    ] = False,
    broker: Annotated[str, typer.Option(help="env, docker, jars or embedded; default: the first that is here")] = "",
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="only this engine of count or full, by its printed name, e.g. lane, lead agent; may be repeated"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="the JSON file; default: .leadkeeper/bench/<time>/figures.json")
    ] = None,
) -> None:
    """Measure, each beside its peers in the same run. Exit codes: 0 done, 1 some figure is void, 64 no such bench."""
    chosen = names or list(BENCHES)
    if unknown := [name for name in chosen if name not in BENCHES]:
        typer.echo(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}", err=True)
        raise typer.Exit(64)
    folder = ROOT / ".leadkeeper/bench" / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    folder.mkdir(parents=True)
    path = out or folder / "figures.json"
    # Producers meet partitions of brand-new topics without a leader for a moment; they try again by themselves.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)
    choice = BrokerChoice(broker)
    with ExitStack() as cleanup:
        running = choice.start(cleanup)
        about = heading(running, choice.reasons(), "make bench ARGS=" + shlex.quote(shlex.join(sys.argv[1:])))
        asked = Bench(
            running, folder, repeat=repeat, events=events, keys=keys, full_events=full_events, only=tuple(only or ()),
            leads=tuple(leads or (1_000_000,)), partitions=tuple(partitions or (4,)), sizes=tuple(size or (320,)),
            processes=tuple(processes or (1,)), rates=tuple(rate or (1_000, 5_000, 20_000)), seconds=seconds,
            in_transactions=(False, True) if exactly_once else (False,),
        )  # fmt: skip
        figures: list[Figure] = []
        for name in chosen:
            console.print(f"{name}: some minutes a repeat", highlight=False)
            for figure in BENCHES[name](asked):
                console.print(f"  {_line(figure)}", soft_wrap=True, highlight=False)
                figures.append(figure)
                write(path, about, gather(figures))  # what was measured stays, whatever comes after
    lines = gather(figures)
    show(console, about, lines)
    console.print(f"written to {path}", soft_wrap=True)
    raise typer.Exit(int(any(void for line in lines for void in line.voids if not void.startswith("skipped"))))


def _line(figure: Figure) -> str:
    told = figure.void or f"{figure.value:,.2f} {figure.unit}"
    return " ".join(filter(None, [figure.bench, figure.case, figure.subject, figure.metric, told]))


if __name__ == "__main__":
    app()
