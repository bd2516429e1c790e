"""`leadkeeper replay` and `leadkeeper demo`: a recorded log through the real product."""

import asyncio
import signal
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agents import demodata
from agents.broker import probe
from agents.cli.common import CONFIG, USAGE, err, fail, fail_for, load, out, wait
from agents.dead_rows import dead_rows
from agents.mapping import load_mapping
from agents.settings import ROOT, Settings
from agents.topics import check
from agents.tryout.feed import Feed
from agents.tryout.learn import learn
from agents.tryout.plan import Plan, make_plan
from agents.tryout.run import run_plan
from agents.tryout.stack import Stack
from agents.writer import Writer
from schemas import topics
from schemas.errors import LeadkeeperError

RUNS = ROOT / ".leadkeeper"
POLICY = ROOT / "deploy/policies/online_shop.toml"
TICK_HOURS = 6.0

Keep = Annotated[bool, typer.Option("--keep", help="leave everything up at the end; Ctrl-C stops it")]


def replay(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="CSV, text, JSON lines or Parquet; .gz as well", exists=True, dir_okay=False
        ),
    ],
    mapping: Annotated[
        str, typer.Option(help="a .toml file, or the name of one in deploy/mappings: cdnow, bank_leads, retail")
    ],
    policy: Annotated[Path, typer.Option(help="what to judge by", exists=True, dir_okay=False)] = POLICY,
    since: Annotated[
        datetime | None,
        typer.Option("--live-from", formats=["%Y-%m-%d"], help="where the live part begins; default: the last third"),
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

    Without --to nothing leaves this machine: mails go to a mailbox on loopback. Rows that are no events are reported with
    their line and dead-lettered.
    """
    console = out
    factor = _speed(speed)
    made_up = (
        contacts if contacts is not None else to is None
    )  # never invent addresses in somebody's deployment unasked
    try:
        layout = load_mapping(mapping)
        cutoff = since.replace(tzinfo=UTC).timestamp() if since else None
        plan = make_plan(files, layout, policy, _folder(layout.name), cutoff=cutoff, contacts=made_up)
    except LeadkeeperError as error:
        fail_for(error)
    _introduce(console, plan)
    if to is not None:
        wait(_send(plan, _kafka(to), factor, tick_hours * 3600, ticks=ticks))
        return
    _run(console, plan, f"replay of {layout.name}", train=train, speed=factor, tick_s=tick_hours * 3600, keep=keep)


def demo(keep: Keep = False) -> None:
    """See the whole product work on a real purchase log: CDNOW, 69,659 purchases of 23,570 customers, 1997 to 1998.

    Takes two minutes on an idle machine. It trains on 1997, streams 1998 and leaves nothing running.
    """
    console = out
    try:
        console.print(
            "Leadkeeper demo: a real purchase log (CDNOW) through the real product, on this machine only.",
            soft_wrap=True,
        )
        path = demodata.cdnow_path()
        plan = make_plan(
            [path],
            load_mapping("cdnow"),
            POLICY,
            _folder("demo"),
            cutoff=datetime(1998, 1, 1, tzinfo=UTC).timestamp(),
            contacts=True,
        )
    except LeadkeeperError as error:
        fail_for(error)
    _introduce(console, plan)
    _run(
        console, plan, "Leadkeeper: CDNOW, 1998 as it came", train=True, speed=None, tick_s=TICK_HOURS * 3600, keep=keep
    )
    console.print()
    console.rule("where to look next", align="left")
    folder = plan.folder.relative_to(Path.cwd()) if plan.folder.is_relative_to(Path.cwd()) else plan.folder
    console.print(
        f"the mails that were sent      {folder}/mail/*.eml\n"
        f"the model and its card        .venv/bin/leadkeeper model show --models {folder}/models\n"
        "your own log                  .venv/bin/leadkeeper replay FILE --mapping MAP.toml   (deploy/mappings has examples)\n"
        "leave it up, and look around  .venv/bin/leadkeeper demo --keep\n"
        "the rules of the business     streams/, one file each; streams/__init__.py is the table of contents",
        soft_wrap=True,
    )


def _run(
    console: Console, plan: Plan, title: str, *, train: bool, speed: float | None, tick_s: float, keep: bool
) -> None:
    models = plan.folder / "models"
    try:
        version, quality = learn(console, plan, models) if train else ("", None)
        asyncio.run(
            run_plan(
                plan, console, title=title, model=version, models=models, quality=quality, step_s=tick_s, speed=speed,
                keep=_stay if keep else None,
            )
        )  # fmt: skip
    except LeadkeeperError as error:
        fail_for(error)
    except KeyboardInterrupt:
        err.print("stopped; nothing is left running")
        raise typer.Exit(130) from None


async def _stay(stack: Stack) -> None:
    """Say how to look around, and wait for Ctrl-C."""
    out.print()
    out.rule("everything is still up", align="left")
    out.print("In another terminal:")
    for name in ("BOOTSTRAP", "REDIS_URL", "CLOCK"):
        out.print(
            f"  export LEADKEEPER_{name}={stack.environment()[f'LEADKEEPER_{name}']}", soft_wrap=True, markup=False
        )
    out.print(
        "  .venv/bin/leadkeeper lead show TENANT LEAD;  .venv/bin/leadkeeper dlq list;  .venv/bin/leadkeeper topics check"
    )
    for name, port in stack.ports.items():
        out.print(f"  http://127.0.0.1:{port}/metrics   {name}", soft_wrap=True)
    out.print("[bold]Ctrl-C stops it all.[/]")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop.set)
    await stop.wait()
    out.print("stopping; nothing is left running")


async def _send(plan: Plan, bootstrap: str, speed: float | None, step_s: float, *, ticks: bool) -> None:
    """Only feed a deployment that is somewhere else."""
    prefix = load(Settings).topic_prefix
    flavour = await probe(bootstrap)
    partitions, wrong = await check(bootstrap, prefix)
    if wrong:
        fail(CONFIG, f"the topics at {bootstrap} are not as they must be, first: {wrong[0]}")
    writer = Writer(bootstrap, idempotent=flavour.idempotent, client_id="replay")
    await writer.start()

    async def go_on(_: float) -> None:
        """The deployment keeps up at its own pace."""

    began = time.monotonic()
    try:
        await writer.produce(dead_rows(plan.rejected, partitions, prefix))
        feed = Feed(writer, prefix, partitions, go_on)
        if ticks:
            await feed.live(plan.lines, plan.lines[0].at_ms / 1000, plan.end, step_s, speed)
        else:
            await feed.paced(plan.lines, speed)
    finally:
        await writer.stop()
    out.print(
        f"sent {feed.sent:,} events and {feed.ticks:,} ticks to {prefix}{topics.EVENTS.name} at {bootstrap} "
        f"in {time.monotonic() - began:.1f} s"
    )


def _introduce(console: Console, plan: Plan) -> None:
    report, mapping = plan.report, plan.mapping
    kinds = ", ".join(f"{kind} {n:,}" for kind, n in report.events.most_common(6))
    console.print(
        f"{report.rows:,} rows, {report.leads:,} leads, {_day(plan.lines[0].at_ms / 1000)} to {_day(plan.end)}: {kinds}",
        soft_wrap=True,
    )
    for reason, n in report.skipped.items():
        console.print(f"[dim]{n:,} rows left out: {reason}[/]")
    if plan.rejected:
        counts = Counter(r.reason for r in plan.rejected)
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in counts.items())
        console.print(f"[yellow]{len(plan.rejected):,} rows are no events[/] ({reasons}); they are dead-lettered:")
        for row in plan.rejected[:5]:
            console.print(
                f"  {row.file} line {row.line}: {row.field}: {row.message} ({row.remedy})", soft_wrap=True, markup=False
            )
        if len(plan.rejected) > 5:
            console.print(f"  … and {len(plan.rejected) - 5:,} more")
    if plan.made_up_contacts or "example.com" in mapping.profile.get("email", ""):
        console.print(
            "[dim]The log has no addresses: each lead gets a made-up one at example.com; mails go to a mailbox on this machine.[/]",
            soft_wrap=True,
        )
    console.print(
        f"history until {_day(plan.cutoff)} (watched, nothing sent), then live to {_day(plan.end)}; "
        f"policy {plan.policy.name}, tenant {mapping.of_tenant}"
    )


def _folder(name: str) -> Path:
    folder = RUNS / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        factor = float(text.removesuffix("x"))
    except ValueError:
        factor = 0.0
    if factor <= 0:
        fail(USAGE, f"--speed {text}: give a factor like 60x, or max")
    return factor


def _kafka(url: str) -> str:
    if not url.startswith("kafka://") or not url.removeprefix("kafka://"):
        fail(USAGE, f"--to {url}: give kafka://host:port")
    return url.removeprefix("kafka://")


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
