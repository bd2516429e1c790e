"""A model's manifest as text for people: what it is for, what it was made from, what it is worth."""

from collections.abc import Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table

from agents.beside import stage_rows, warned_by, warning_rows
from agents.bygone import in_words
from agents.manifest import Manifest, Scorecard, Window
from streams.asked import quiet_in_words, who_in_words

WIDTH = 80
MEASURES = (
    ("auc", "AUC", "ranking; 0.5 is chance"),
    ("average_precision", "average precision", "ranking of the lost"),
    ("log_loss", "log loss", "honesty; lower is better"),
    ("brier", "Brier", "honesty; lower is better"),
    ("ece", "calibration error", "told rate against seen rate"),
    ("lift_at_10", "lift in the top 10 %", "times the base rate"),
)


def card(manifest: Manifest) -> str:
    """The model card, at most 80 columns wide, without colours."""
    out = Console(file=StringIO(), width=WIDTH, no_color=True, highlight=False)
    made = manifest.trained
    out.print(f"Model {manifest.version}")
    out.print(f"  goes quiet   {quiet_in_words(manifest.label)}")
    out.print(f"  judged       {who_in_words(manifest.label)}")
    out.print(
        f"  made from    {made.log}: {made.events:,} messages of {made.leads:,} leads, "
        f"{made.first:%Y-%m-%d} to {made.last:%Y-%m-%d}"
    )
    out.print(
        f"  method       LightGBM {made.lightgbm}, {made.settings['trees']} trees, "
        f"{manifest.calibration.method} calibration"
        + (", each fifth of the leads by the others" if made.apart == "leads" else "")
    )
    out.print(
        f"  rests on     features {manifest.feature_schema}, label {manifest.label_version}, vocabulary "
        f"{manifest.vocabulary or 'not known'}\n"
    )
    times = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for name in ("window", "snapshots", "", "number", "rows", "went quiet"):
        times.add_column(name, justify="right" if name in {"number", "rows", "went quiet"} else "left")
    for cells in windows_of(manifest):
        times.add_row(*cells)
    out.print(times)
    if manifest.tested is None:
        out.print("\nNot tested: the log ends before a test could come true.")
    else:
        _tell_worth(out, manifest, manifest.tested)
    for line in mood_in_words(manifest):
        out.print(f"\n{line}")
    if (hush := manifest.hush) is not None:
        out.print(
            f"\nIn {hush.days} days of pure silence the risk of {hush.leads:,} leads never falls by more than "
            f"{hush.most_fall:.3f}."
        )
    for line in in_words(made.bygone):
        out.print(f"\n{line}")
    for flag in manifest.flags:
        out.print(f"\nNot to be promoted: {flag}")
    assert isinstance(out.file, StringIO)
    return "\n".join(line.rstrip() for line in out.file.getvalue().splitlines()) + "\n"


def _tell_worth(out: Console, manifest: Manifest, tested: Scorecard) -> None:
    worth = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for name in ("test", "model", "recency", "RFM", ""):
        worth.add_column(name, justify="right" if name in {"model", "recency", "RFM"} else "left")
    for key, name, meaning in MEASURES:
        three = f"{tested.rfm[key]:.3f}" if tested.rfm else ""
        worth.add_row(name, f"{tested.model[key]:.3f}", f"{tested.recency[key]:.3f}", three, meaning)
    out.print()
    out.print(worth)
    out.print("  recency alone: days since the last sign of life; RFM: frequency, money too")
    out.print(f"  log loss of the base rate alone ({manifest.base_rate:.1%}): {tested.base_log_loss:.3f}")
    if tested.single:
        out.print(f"  best single feature: {tested.single[0]}, AUC {tested.single[1]:.3f}")
    if tested.stages:
        out.print()
        out.print(_grid(("stage", "by", "rows", "told", "went quiet", "off", "by chance"), stage_rows(tested)))
        out.print("  off: calibration error within the stage; each by its own probabilities")
    if warned := warning_rows(tested):
        out.print()
        out.print(_grid(("of the lost, in early warning or above", *warned_by(tested)), warned))
    for line in (*time_to_churn_in_words(tested), *importance_in_words(tested)):
        out.print(f"\n{line}")


def _grid(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Words to the left, figures to the right."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for i, name in enumerate(names):
        grid.add_column(name, justify="left" if i == 0 or name == "by" else "right", no_wrap=True)
    for cells in rows:
        grid.add_row(*cells)
    return grid


def time_to_churn_in_words(tested: Scorecard) -> list[str]:
    """Told and seen shares of leads at risk that were lost; nothing where there is no model of it."""
    found = tested.time_to_churn
    shown = [
        f"within {days} days told {found[f'told_{days}']:.0%}, seen {found[f'seen_{days}']:.0%}"
        for days in (7, 14, 30)
        if f"told_{days}" in found
    ]
    return [f"Of leads at risk, lost {'; '.join(shown)}."] if shown else []


def importance_in_words(tested: Scorecard) -> list[str]:
    """Which families of features the ranking rests on."""
    shown = [f"{family} {loss:+.3f}" for family, loss in list(tested.importance.items())[:5] if loss > 0]
    return [f"The AUC would lose, without what is known of: {', '.join(shown)}."] if shown else []


def mood_in_words(manifest: Manifest) -> list[str]:
    """What the mood of messages is worth here; nothing where a model does not say how its features were spread."""
    if manifest.spread is None:
        return []
    known = manifest.spread.known("mood")
    if not known:
        return ["No message of this log had a mood or a text that was read: what mood is worth was not measured."]
    loss = manifest.tested.importance.get("mood") if manifest.tested else None
    worth = "; what it is worth was not measured" if loss is None else f"; without it the AUC would lose {loss:.3f}"
    return [f"Mood of messages: known of {known:.1%} of the rows{worth}."]


def windows_of(manifest: Manifest) -> list[tuple[str, ...]]:
    """Train, calibrate and test, as words: name, first, last, snapshots, rows, share that went quiet."""
    made = manifest.trained
    windows = {"train": made.train, "calibrate": made.calibrate}
    windows |= {"test": manifest.tested.window} if manifest.tested else {}
    return [(name, *_cells(window)) for name, window in windows.items()]


def _cells(window: Window) -> tuple[str, ...]:
    share = window.churned / window.rows
    return (
        f"{window.first:%Y-%m-%d}",
        f"to {window.last:%Y-%m-%d}",
        str(window.snapshots),
        f"{window.rows:,}",
        f"{share:.1%}",
    )
