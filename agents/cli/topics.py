"""`leadkeeper topics …`."""

from typing import Annotated

import typer
from rich.table import Table

from agents.cli.common import FAILED, UNAVAILABLE, fail, load, out, wait
from agents.settings import Settings
from schemas import topics
from schemas.errors import Unavailable

app = typer.Typer(no_args_is_help=True, help="Create and check the topics.")


@app.command(epilog="Example: leadkeeper topics create --partitions 8 --replication 3")
def create(
    partitions: Annotated[
        int, typer.Option(min=1, help="of every topic; also the most lead agents that can share the work")
    ] = 4,
    replication: Annotated[int, typer.Option(min=1, help="copies of each partition")] = 1,
    event_time: Annotated[
        bool, typer.Option("--event-time", help="for replays: the inbox keeps the senders' timestamps")
    ] = False,
    keep_days: Annotated[
        int,
        typer.Option(min=1, help="of lead.events; scheduled retraining needs 98 or more, 400 for last year's season"),
    ] = topics.EVENTS.keep_days or 0,
) -> None:
    """Create the topics that are missing; existing ones stay as they are."""
    from agents import topics as admin
    from agents.broker import probe

    settings = load(Settings)

    async def work() -> list[str]:
        await probe(settings.bootstrap)
        return await admin.create(
            settings.bootstrap,
            settings.topic_prefix,
            partitions,
            replication,
            event_time=event_time,
            keep_days=keep_days,
        )

    try:
        created = wait(work())
    except Unavailable as error:
        fail(UNAVAILABLE, str(error))
    out.print(f"created {len(created)} topics" + (f", {partitions} partitions each" if created else ": all were there"))


@app.command(epilog="Example: leadkeeper topics check || echo 'not ready'")
def check() -> None:
    """Say whether all topics exist with equal partitions and with settings that lose nothing. Ends with 1 when not."""
    from agents import topics as admin
    from agents.broker import probe

    settings = load(Settings)

    async def work() -> admin.Findings:
        flavour = await probe(settings.bootstrap)
        return await admin.survey(
            settings.bootstrap, settings.topic_prefix, flavour, event_time=settings.clock == "event"
        )

    partitions, wrong, notes = wait(work())
    for sentence in notes:
        out.print(f"note  {sentence}", soft_wrap=True)
    for sentence in wrong:
        out.print(f"[red]wrong[/] {sentence}", soft_wrap=True)
    if wrong:
        raise typer.Exit(FAILED)
    out.print(f"{len(topics.ALL)} topics with {partitions} partitions each: all as they must be")


@app.command(name="list", epilog="Example: leadkeeper topics list")
def list_() -> None:
    """What each topic carries, and who writes it. Needs no broker."""
    table = Table("topic", "key", "writer", "kept", "meaning", box=None, pad_edge=False)
    for topic in topics.ALL:
        kept = topic.cleanup if topic.keep_days is None else f"{topic.keep_days} d"
        table.add_row(topic.name, topic.key, topic.writer, kept, topic.meaning)
    out.print(table)
