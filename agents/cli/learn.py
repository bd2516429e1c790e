"""`leadkeeper learn …`: what experiments have shown, and putting it in force."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.common import NOT_FOUND, At, fail, fail_for, load, out, wait
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from agents.learned import Learned
    from streams.bandit import Shown
    from streams.experiments import Experiment
    from streams.policy import Policy

app = typer.Typer(no_args_is_help=True, help="Experiments: what they have shown, and putting it in force.")
File = Annotated[Path | None, typer.Option("--policy", help="the policy in force (LEADKEEPER_POLICY)", dir_okay=False)]


@app.command(epilog="Example: leadkeeper learn report")
def report(policy: File = None) -> None:
    """How each variant did, with intervals that hold however often one looks; changes nothing."""
    settings = load(LeadSettings, policy=policy)
    _tell(*_learned(settings))


@app.command(epilog="Example: leadkeeper learn publish")
def publish(policy: File = None, at: At = None) -> None:
    """Put what was learned in force: from here on each variant is drawn as often as it is likely to be the best.

    For a job that runs daily. A lead that was drawn keeps its variant. In the policy, learn = false fixes the weights of an
    experiment, and weight = 0 stops a variant.
    """
    from datetime import UTC, datetime

    from agents.activate import activate
    from agents.learned import announcement

    settings = load(LeadSettings, policy=policy)
    learned, policies = _learned(settings)
    _tell(learned, policies)
    record = announcement(learned)
    when = at.replace(tzinfo=UTC) if at else datetime.now(UTC)
    try:
        n = wait(
            activate(
                settings.bootstrap, settings.topic_prefix, when, announce=[record], weights=record.version,
                head_start_s=1.0,
            )
        )  # fmt: skip
    except LeadkeeperError as error:
        fail_for(error)
    out.print(f"{record.version} is in force on {n} partitions")


def _learned(settings: LeadSettings) -> "tuple[Learned, dict[str, Policy]]":
    from agents.learned import learn, read_tracked
    from agents.library import policies_of

    try:
        policies = policies_of(settings)
        learned = learn(wait(read_tracked(settings.bootstrap, settings.topic_prefix)), policies)
    except LeadkeeperError as error:
        fail_for(error)
    if learned is None:
        fail(NOT_FOUND, "no intervention was tracked yet; there is nothing to learn from")
    if not learned.experiments:
        fail(NOT_FOUND, f"{settings.policy.name} has no [experiments]; nothing is tried out")
    return learned, policies


def _tell(learned: "Learned", policies: "dict[str, Policy]") -> None:
    out.print(f"outcomes up to {learned.until:%Y-%m-%d %H:%M} UTC", soft_wrap=True)
    for tenant, seen in learned.experiments.items():
        policy = policies.get(tenant) or policies["*"]
        for name, one in seen.items():
            out.print(f"\n[bold]{tenant}  {name}[/]", soft_wrap=True)
            for line in in_words(one, policy.experiments[name], policy.episodes.attribution_days):
                out.print(line, markup=False, soft_wrap=True)


def in_words(seen: "Shown", experiment: "Experiment", window_days: float) -> list[str]:
    """What an experiment has shown, in lines of at most 80 characters."""
    from streams.bandit import LEAST_EACH, WORDS
    from streams.variants import probabilities

    best = {name: arm.best for name, arm in seen.arms.items()}
    nexts = probabilities(experiment, best)
    lines = [
        f"by who {WORDS[experiment.goal]} within {window_days:g} days; first message of each lead",
        f"{'variant':20}{'leads':>7}{WORDS[experiment.goal]:>10}{'95 %':>17}{'opened':>8}{'best':>7}{'next':>7}",
    ]
    for name, arm in seen.arms.items():
        low, high = arm.interval
        rate = f"{arm.rate:10.1%}{f'{low:.1%} - {high:.1%}':>17}{arm.opened:8.0%}" if arm.leads else " " * 35
        lines.append(f"{name[:20]:20}{arm.leads:7,}{rate}{arm.best:7.0%}{nexts[name]:7.0%}")
    if any(arm.leads < LEAST_EACH for arm in seen.arms.values()):
        return [*lines, f"not enough data: {LEAST_EACH} leads of each variant are the least"]
    for one in seen.leads:
        points = 100 * one.difference
        lines.append(f"{seen.leader} against {one.other}: {points:+.1f} points, +/- {100 * one.wide:.1f}")
    if seen.winner:
        return [*lines, f"{seen.winner} is better than every other variant"]
    widest = max((one.wide for one in seen.leads), default=0.0)
    return [*lines, f"not yet known; by now a difference of {100 * widest:.1f} points would show"]
