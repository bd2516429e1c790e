"""The first act of a try-out: train on the part of the log before the cut, and measure on what came after it."""

import time
from pathlib import Path

from rich.console import Console

from agents.eventlog import LoggedEvent
from agents.train import read_log, train
from agents.tryout.ending import Quality
from agents.tryout.plan import Plan
from agents.windows import TooLittleData


def learn(console: Console, plan: Plan, models: Path) -> tuple[str, Quality | None]:
    """Train and save; ("", None) and a sentence where the log is too small: then the rule scorer judges.

    Nothing from the cut on is used for training or calibration; the quality is measured there.
    """
    began = time.monotonic()
    with console.status("training on the part before the cut ..."):
        log = read_log((LoggedEvent(*line) for line in plan.lines), plan.mapping, plan.policy)
        try:
            model = train(log, plan.mapping.label, plan.cutoff, plan.mapping.name)
        except TooLittleData as error:
            console.print(f"[yellow]No model:[/] {error}. The rule scorer judges instead.", soft_wrap=True)
            return "", None
    model.save(models)
    made, tested = model.manifest.trained, model.manifest.tested
    console.print(
        f"trained {model.manifest.version} on {made.train.rows:,} judgements of {made.leads:,} leads "
        f"({made.train.first:%Y-%m-%d} to {made.train.last:%Y-%m-%d}) in {time.monotonic() - began:.0f} s",
        soft_wrap=True,
    )
    for flag in model.manifest.flags:
        console.print(f"[yellow]It may have seen the answer:[/] {flag}", soft_wrap=True)
    if tested is None:
        return model.manifest.version, None
    return model.manifest.version, Quality(
        snapshots=tested.window.snapshots,
        rows=tested.window.rows,
        churn_rate=tested.window.churned / tested.window.rows,
        auc=tested.model["auc"],
        log_loss=tested.model["log_loss"],
        recency_auc=tested.recency["auc"],
        recency_log_loss=tested.recency["log_loss"],
        model=model.manifest.version,
    )
