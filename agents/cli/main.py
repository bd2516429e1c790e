"""Puts the commands together."""

import sys

import typer

from agents.cli import dlq, inbox, lead, topics, worker
from agents.cli.replay import demo, replay
from agents.cli.common import CONFIG, UNAVAILABLE, err
from schemas.errors import LeadkeeperError, Unavailable

app = typer.Typer(
    name="leadkeeper",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Notices in time that a lead is about to go quiet, and does the right thing about it.",
    epilog="Start with `leadkeeper demo`. Settings are environment variables LEADKEEPER_…; README.md lists them.",
)
app.command()(demo)
app.command()(replay)
app.add_typer(worker.app, name="worker")
app.add_typer(topics.app, name="topics")
app.add_typer(lead.app, name="lead")
app.add_typer(dlq.app, name="dlq")
app.add_typer(inbox.app, name="inbox")


def run() -> None:
    """Entry point. Named failures end with a sentence and a code, not with a trace."""
    try:
        app(prog_name="leadkeeper")
    except LeadkeeperError as error:
        err.print(f"[bold red]leadkeeper:[/] {error}", soft_wrap=True)
        sys.exit(UNAVAILABLE if isinstance(error, Unavailable) else CONFIG)
