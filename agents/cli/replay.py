"""`leadkeeper replay` and `leadkeeper demo`: a recorded log through the real product."""

import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from agents.cli.common import USAGE, err, fail, fail_for, load, out, there, wait
from agents.settings import ROOT, Settings
from schemas import topics
from schemas.errors import LeadkeeperError

POLICY = ROOT / "deploy/policies/online_shop.toml"
"""Its channels are those that a try-out can deliver; that of a deployment also sends SMS and push, which wait for consumers."""
TICK_HOURS = 6.0

Keep = Annotated[bool, typer.Option("--keep", help="leave everything up at the end; Ctrl-C stops it")]


def replay(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="CSV, text, JSON lines or Parquet; .gz as well", dir_okay=False, callback=there
        ),
    ],
    mapping: Annotated[
        str, typer.Option(help="a .toml file, or the name of one in deploy/mappings: cdnow, bank_leads, retail")
    ],
    policy: Annotated[
        Path,
        typer.Option(
            help="what to judge by; not that of your workers: the shop's uses only channels that are delivered here",
            dir_okay=False,
            callback=there,
        ),
    ] = POLICY,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--live-from", formats=["%Y-%m-%d"], help="day (UTC) on which the live part begins; default: the last third"
        ),
    ] = None,
    train: Annotated[
        bool,
        typer.Option("--train/--no-train", help="train a model on the part before; otherwise the rule scorer judges"),
    ] = True,
    contacts: Annotated[
        bool | None, typer.Option("--contacts/--no-contacts", help="give leads without an address one at example.com")
    ] = None,
    speed: Annotated[
        str, typer.Option(help="how much faster than it happened, like 60x; max: as fast as the product keeps up")
    ] = "max",
    tick_hours: Annotated[float, typer.Option(min=0.01, help="event time between ticks")] = TICK_HOURS,
    to: Annotated[
        str | None, typer.Option(help="kafka://host:port: only send the events there, to a deployment of yours")
    ] = None,
    ticks: Annotated[
        bool,
        typer.Option("--ticks/--no-ticks", help="with --to: send ticks too (a deployment with LEADKEEPER_CLOCK=event)"),
    ] = False,
    keep: Keep = False,
) -> None:
    """Stream a recorded event log through broker, lead agent and couriers on this machine, and tell what happened.

    Without --to nothing leaves this machine: mails go to a mailbox on loopback. Rows that cannot be used are counted by
    cause, written to a file with line and remedy, and dead-lettered.
    """
    from agents.cli.rejected import tell_rejects
    from agents.mapping import load_mapping
    from agents.rejects import Rejects
    from agents.tryout.here import run_here
    from agents.tryout.opening import day, tell_opening
    from agents.tryout.plan import make_plan
    from agents.tryout.runs import RunFolder
    from agents.tryout.send import look, send

    factor = _speed(speed)
    bootstrap = _kafka(to) if to is not None else None
    if bootstrap and (since or keep):
        fail(USAGE, f"{'--live-from' if since else '--keep'} is about a run on this machine; leave it out, or --to")
    made_up = (
        contacts if contacts is not None else to is None
    )  # never invent addresses in somebody's deployment unasked
    try:
        layout = load_mapping(mapping)
        target = wait(look(bootstrap, load(Settings).topic_prefix), "--to") if bootstrap else None
        run = RunFolder(layout.name)
        with Rejects(run.make) as rejects:
            try:
                cutoff = since.replace(tzinfo=UTC).timestamp() if since else None
                plan = make_plan(files, layout, policy, rejects, cutoff=cutoff, contacts=made_up)
            except LeadkeeperError:
                tell_rejects(err, rejects, dead_lettered=False)
                raise
        if since and not day(plan.start) <= day(plan.cutoff) <= day(plan.end):
            fail(
                USAGE,
                f"--live-from {since:%Y-%m-%d}: the log runs from {day(plan.start)} to {day(plan.end)}; give a day within",
            )
        tell_opening(out, plan, rejects, here=target is None)
        if target is not None:
            sent = wait(send(plan, target, factor, tick_hours * 3600, ticks=ticks), "--to")
            out.print(f"sent {sent} to {target.prefix}{topics.EVENTS.name} at {target.bootstrap}", soft_wrap=True)
            return
        run_here(
            out, plan, run, f"replay of {layout.name}", train=train, speed=factor, tick_s=tick_hours * 3600, keep=keep
        )
    except LeadkeeperError as error:
        fail_for(error)
    except KeyboardInterrupt:
        _stopped()


def demo(keep: Keep = False) -> None:
    """See the whole product work on a real purchase log: CDNOW, 69,659 purchases of 23,570 customers, 1997 to 1998.

    Takes two minutes on an idle machine. It trains on 1997, streams 1998 and leaves nothing running.
    """
    from agents import demodata
    from agents.cli.rejected import near
    from agents.mapping import load_mapping
    from agents.rejects import Rejects
    from agents.tryout.here import run_here
    from agents.tryout.opening import tell_opening
    from agents.tryout.plan import make_plan
    from agents.tryout.runs import RunFolder

    out.print(
        "Leadkeeper demo: a real purchase log (CDNOW) through the real product, on this machine only.", soft_wrap=True
    )
    try:
        run = RunFolder("demo")
        with Rejects(run.make) as rejects:
            cutoff = datetime(1998, 1, 1, tzinfo=UTC).timestamp()
            log = [demodata.cdnow_path()]
            plan = make_plan(log, load_mapping("cdnow"), POLICY, rejects, cutoff=cutoff, contacts=True)
        tell_opening(out, plan, rejects, here=True)
        title = "Leadkeeper: CDNOW, 1998 as it came"
        run_here(out, plan, run, title, train=True, speed=None, tick_s=TICK_HOURS * 3600, keep=keep)
    except LeadkeeperError as error:
        fail_for(error)
    except KeyboardInterrupt:
        _stopped()
    folder = near(run.make())
    out.print()
    out.rule("where to look next", align="left")
    out.print(
        f"the mails that were sent      {folder}/mail/*.eml\n"
        f"the model and its card        .venv/bin/leadkeeper model show --models {folder}/models\n"
        "your own log                  .venv/bin/leadkeeper replay FILE --mapping MAP.toml   (deploy/mappings has examples)\n"
        "leave it up, and look around  .venv/bin/leadkeeper demo --keep\n"
        "the rules of the business     streams/, one file each; streams/__init__.py is the table of contents",
        soft_wrap=True,
    )


def _stopped() -> NoReturn:
    err.print("stopped; nothing is left running")
    raise typer.Exit(130) from None


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        factor = float(text.removesuffix("x"))
    except ValueError:
        factor = 0.0
    if not 0 < factor < math.inf:
        fail(USAGE, f"--speed {text}: give a factor like 60x, or max")
    return factor


_HOSTS = re.compile(r"kafka://((?:[\w.-]+|\[[\da-fA-F:]+\]):\d+(?:,(?:[\w.-]+|\[[\da-fA-F:]+\]):\d+)*)/?")


def _kafka(url: str) -> str:
    found = _HOSTS.fullmatch(url)
    if found is None:
        fail(USAGE, f"--to {url}: give kafka://host:port")
    return found[1]
