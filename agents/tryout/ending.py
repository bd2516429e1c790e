"""What happened, in words and small tables: honest about what a recorded log can and cannot show."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agents.cli.lead import print_story
from agents.timeline import Entry
from agents.tryout.plan import Plan
from agents.tryout.results import Results
from agents.tryout.truth import Truth
from streams.features import DAY

STAGES = ("early_warning", "active_risk", "critical_risk")
STORY_LINES, BEGINNING = 40, 8
"""Lines of a story that are told; of these, so many are its beginning."""


@dataclass
class Quality:
    """How well risk and outcome went together on snapshots of the later part."""

    snapshots: int
    rows: int
    churn_rate: float
    auc: float
    log_loss: float
    recency_auc: float
    recency_log_loss: float
    model: str


def tell_ending(
    console: Console,
    plan: Plan,
    results: Results,
    truth: Truth,
    quality: Quality | None,
    tale: list[Entry],
    *,
    folder_of_mails: Path,
    took_s: float,
    totals: Mapping[str, float],
) -> None:
    """Print the whole ending."""
    mails = len(list(folder_of_mails.glob("*.eml")))
    records = totals["records"]
    console.print()
    console.rule("what happened", align="left")
    console.print(
        f"{records:,.0f} records folded in {took_s:.0f} s of real time; {totals['duplicates']:,.0f} duplicates dropped, "
        f"{totals['dead'] + len(plan.rejected):,.0f} dead letters; {results.assessments:,} assessments published."
    )
    _stages(console, plan, results, truth)
    if quality is not None:
        _quality(console, quality)
    _decisions(console, results, mails)
    _outcomes(console, results)
    if tale:
        lead = results.best_story
        console.print()
        console.rule(f"one lead's story: {plan.mapping.of_tenant} {lead}", align="left")
        if len(tale) <= STORY_LINES:
            print_story(tale)
        else:
            print_story(tale[:BEGINNING])
            more = len(tale) - STORY_LINES
            console.print(f"[dim]… {more} more lines (with --keep, `leadkeeper lead show` has them all)[/]")
            print_story(tale[BEGINNING - STORY_LINES :])
        if (mail := last_mail(folder_of_mails, str(lead))) is not None:
            console.print()
            console.print(f"[bold]the last mail to {lead}[/] ({mail.name})")
            message = message_from_bytes(mail.read_bytes(), policy=default)
            body = message.get_body(("plain",))
            text = body.get_content().strip() if body else ""
            console.print(Panel(Text(text), title=Text(str(message["Subject"])), title_align="left", width=78))


def last_mail(folder: Path, lead: str) -> Path | None:
    """The newest mail whose recipient's address names the lead."""
    index = folder / "index.jsonl"
    lines = [json.loads(line) for line in index.read_text().splitlines()] if index.exists() else []
    found = [line["file"] for line in lines if lead in str(line["to"])]
    return folder / found[-1] if found else None


def _stages(console: Console, plan: Plan, results: Results, truth: Truth) -> None:
    label = plan.mapping.label
    days = label.gap_days + label.horizon_days
    outcomes = label.closed_as if label.churn == "closed" else None
    last = plan.end - days * DAY
    words = (
        f"quiet for the next {days:g} days"
        if outcomes is None
        else f"closed as {' or '.join(sorted(outcomes))} within {days:g} days"
    )
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for head in ("stage entered", "times", "leads", "could be checked", f"really {words}"):
        table.add_column(head, justify="right" if head != "stage entered" else "left", header_style="dim")
    for stage in STAGES:
        entered = results.entered.get(stage, [])
        first: dict[str, float] = {}
        for lead, at in entered:
            first.setdefault(lead, at)
        known = [(lead, at) for lead, at in first.items() if at <= last]
        share = sum(truth.quiet_after(lead, at, days, outcomes) for lead, at in known) / len(known) if known else None
        table.add_row(
            stage,
            f"{len(entered):,}",
            f"{len(first):,}",
            f"{len(known):,}",
            "-" if share is None else f"{share:.1%}",
        )
    cut = min(plan.cutoff, last)
    for name, alive_days in (
        (f"[dim]alive in the {days:g} days before[/]", days),
        ("[dim]all live leads[/]", label.eligible_days),
    ):
        n, quiet = base_rate(plan, truth, cut, alive_days)
        table.add_row(name, "", f"{n:,}", f"{n:,}", f"{quiet:.1%}" if n else "-")
    console.print()
    console.print(table)
    began = datetime.fromtimestamp(min(plan.cutoff, last), UTC)
    console.print(
        f"[dim]Base rates: leads on {began:%Y-%m-%d}, when the live part began. A lead counts at its first entry.[/]"
    )


def base_rate(plan: Plan, truth: Truth, at: float, alive_days: float | None) -> tuple[int, float]:
    """Leads with a sign of life in so many days before a time (None: ever), and the share that then really went quiet."""
    label = plan.mapping.label
    days = label.gap_days + label.horizon_days
    outcomes = label.closed_as if label.churn == "closed" else None
    alive = []
    for lead in truth.leads():
        last = truth.last_life(lead, at)
        fresh = last is not None and (alive_days is None or last >= at - alive_days * DAY)
        if fresh and truth.is_open(lead, at):
            alive.append(lead)
    quiet = sum(truth.quiet_after(lead, at, days, outcomes) for lead in alive)
    return len(alive), quiet / len(alive) if alive else 0.0


def _quality(console: Console, q: Quality) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for head in ("risk against what came", "AUC", "log loss"):
        table.add_column(head, justify="right" if head != "risk against what came" else "left", header_style="dim")
    table.add_row(f"model {q.model}", f"{q.auc:.4f}", f"{q.log_loss:.4f}")
    table.add_row("recency alone", f"{q.recency_auc:.4f}", f"{q.recency_log_loss:.4f}")
    console.print()
    console.print(table)
    console.print(
        f"[dim]{q.rows:,} judgements at {q.snapshots} moments after the cut, none of which the model was trained on; "
        f"{q.churn_rate:.1%} of them went quiet.[/]"
    )


def _decisions(console: Console, results: Results, mails: int) -> None:
    sent = sum(n for (verdict, _), n in results.decisions.items() if verdict == "sent")
    console.print()
    console.print(
        f"[bold]Sent[/] {sent:,}: " + (", ".join(f"{c} {n:,}" for c, n in results.commands.most_common()) or "nothing")
    )
    states = ", ".join(f"{channel} {state} {n:,}" for (channel, state), n in sorted(results.ledger.items()))
    console.print(f"[bold]Couriers[/] {states or 'had nothing to do'}; {mails:,} mails lie in the mailbox")
    for verdict, word in (("held", "Held"), ("deferred", "Deferred")):
        rules: Counter[str] = Counter()
        for (given, rule), n in results.decisions.items():
            if given == verdict:
                rules[rule] += n
        if rules:
            console.print(
                f"[bold]{word}[/] {sum(rules.values()):,}: "
                + ", ".join(f"{rule} {n:,}" for rule, n in rules.most_common())
            )
    console.print(f"[bold]Escalated[/] {results.escalations:,} to a person")


def _outcomes(console: Console, results: Results) -> None:
    finished: Counter[str] = Counter()
    for (arm, outcome), n in results.outcomes.items():
        finished[outcome] += n if arm == "treated" else 0
    if finished:
        words = ", ".join(f"{outcome} {n:,}" for outcome, n in finished.most_common())
        console.print(f"[bold]Came of it[/] {sum(finished.values()):,}: {words}")
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for head in ("episodes closed", "treated", "held out"):
        table.add_column(head, justify="right" if head != "episodes closed" else "left", header_style="dim")
    for outcome in ("converted", "re_engaged", "churned", "expired"):
        treated, held = results.episodes["treated", outcome], results.episodes["holdout", outcome]
        if treated or held:
            table.add_row(outcome, f"{treated:,}", f"{held:,}")
    if any(results.saved_cents.values()):
        worth = [f"{results.saved_cents[arm] / 100:,.0f}" for arm in ("treated", "holdout")]
        table.add_row("worth of those that came back", *worth)
    if table.row_count:
        console.print()
        console.print(table)
        console.print(
            "[dim]The leads of a recorded log cannot react to what we send: both columns show what they did anyway.\n"
            "Live, the difference between them is what the messages changed.[/]"
        )
