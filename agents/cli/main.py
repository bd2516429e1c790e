"""Puts the commands together."""

import sys
from typing import Annotated

import typer
from rich.markup import escape

from agents.cli import (
    address,
    agree,
    dlq,
    grade,
    inbox,
    lead,
    learn,
    ledger,
    model,
    order,
    policy,
    tables,
    topics,
    worker,
)
from agents.cli.common import FAILED, USAGE, code_of, err, out
from agents.cli.events import events, send
from agents.cli.replay import demo, replay
from agents.cli.simulate import simulate
from agents.settings import ROOT
from schemas.errors import LeadkeeperError

CLICK_USAGE = 2
"""What click ends with when a word is wrong; nothing of ours does."""

app = typer.Typer(
    name="leadkeeper",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    help="Notices in time that a lead is about to go quiet, and does the right thing about it.",
    epilog="Start with `leadkeeper demo`. Settings are environment variables LEADKEEPER_…; README.md lists them.",
)
app.command(epilog="Example: leadkeeper demo --keep")(demo)
app.command(epilog="Example: leadkeeper replay log.csv.gz --mapping my.toml --speed 60x")(replay)
app.command(epilog="Example: leadkeeper simulate --policy new.toml --from-log events.jsonl --days 30")(simulate)
app.command(epilog="Example: leadkeeper events purchase_completed")(events)
app.command(epilog="Example: leadkeeper send events.jsonl")(send)
app.command(name="train", epilog="Example: leadkeeper train log.parquet --mapping my.toml --until 2026-03-01")(
    model.train_command
)
app.command(name="score", epilog="Example: leadkeeper score customers.csv --model t-telco-0123456789")(
    tables.score_command
)
model.app.command(name="agree", epilog="Example: leadkeeper model agree log.csv.gz --mapping my.toml")(agree.agree)
model.app.command(name="grade", epilog="Example: leadkeeper model grade --to grade.json")(grade.grade)
app.add_typer(worker.app, name="worker")
app.add_typer(topics.app, name="topics")
app.command(epilog="Example: leadkeeper why acme L-1001 --step call_task")(lead.why)
app.add_typer(lead.app, name="lead")
app.add_typer(order.app, name="order")
app.add_typer(dlq.app, name="dlq")
app.add_typer(ledger.app, name="ledger")
app.add_typer(address.app, name="address")
app.add_typer(inbox.app, name="inbox")
app.add_typer(model.app, name="model")
app.add_typer(policy.app, name="policy")
app.add_typer(learn.app, name="learn")


@app.command(name="docs", epilog="Example: leadkeeper docs --check")
def docs_command(
    check: Annotated[bool, typer.Option("--check", help="only say what differs; ends with 1 if anything does")] = False,
) -> None:
    """Write JSON Schema and AsyncAPI documents from the schemas."""
    from agents import docs

    if not check:
        for path in docs.write(ROOT):
            out.print(str(path.relative_to(ROOT)))
        return
    differing = docs.check(ROOT)
    for name in differing:
        err.print(f"{name} is not what the schemas say: run `leadkeeper docs`")
    if differing:
        raise typer.Exit(FAILED)


def run() -> None:
    """Entry point. Named failures end with a sentence and a code, not with a trace."""
    try:
        app(prog_name="leadkeeper")
    except SystemExit as done:
        sys.exit(USAGE if done.code == CLICK_USAGE else done.code)
    except LeadkeeperError as error:
        err.print(f"[bold red]leadkeeper:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(code_of(error))
