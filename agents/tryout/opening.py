"""What was read, in words, before anything starts."""

from datetime import UTC, datetime

from rich.console import Console

from agents.cli.rejected import tell_rejects
from agents.rejects import Rejects
from agents.tryout.plan import Plan


def tell_opening(console: Console, plan: Plan, rejects: Rejects, *, here: bool) -> None:
    """Print it.

    Args:
        console: Where to.
        plan: What will be done.
        rejects: What could not be used.
        here: Through a stack of our own, not to a deployment that judges by its own policy.
    """
    report = plan.report
    kinds = ", ".join(f"{kind} {n:,}" for kind, n in report.events.most_common(6))
    span = f"{day(plan.start)} to {day(plan.end)}"
    console.print(f"{report.rows:,} rows, {report.leads:,} leads, {span}: {kinds}", soft_wrap=True)
    for reason, n in report.skipped.items():
        console.print(f"[dim]{n:,} rows left out: {reason}[/]", soft_wrap=True)
    tell_rejects(console, rejects, dead_lettered=True)
    if plan.made_up_contacts or "example.com" in plan.mapping.profile.get("email", ""):
        mailbox = "; mails go to a mailbox on this machine" if here else ""
        console.print(
            f"[dim]The log has no addresses: each lead gets a made-up one at example.com{mailbox}.[/]", soft_wrap=True
        )
    if here:
        console.print(
            f"history until {day(plan.cutoff)} (watched, nothing sent), then live to {day(plan.end)}; "
            f"policy {plan.policy.name}, tenant {plan.mapping.of_tenant}",
            soft_wrap=True,
        )


def day(seconds: float) -> str:
    """A date, from epoch seconds."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
