"""`leadkeeper learn …`: what experiments have shown, and putting it in force."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.common import NOT_FOUND, At, fail, fail_for, load, out, wait
from agents.settings import LeadSettings
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agents.learned import Learned
    from streams.bandit import Shown
    from streams.effects import Arm
    from streams.experiments import Goal
    from streams.hours import Hours
    from streams.policy import Policy

app = typer.Typer(no_args_is_help=True, help="Experiments: what they have shown, and putting it in force.")
File = Annotated[
    Path | None,
    typer.Option(
        "--policy", help="what to learn for; left out: the policies in force, from the topics", dir_okay=False
    ),
]


@app.command(epilog="Example: leadkeeper learn report")
def report(policy: File = None) -> None:
    """How each variant did, with intervals that hold however often one looks; changes nothing."""
    _tell(*_learned(load(LeadSettings, policy=policy), policy))


@app.command(epilog="Example: leadkeeper learn publish")
def publish(policy: File = None, at: At = None) -> None:
    """Put what was learned in force: from here on each variant is drawn as often as it is likely to be the best.

    `worker models` does it every night. A lead that was drawn keeps its variant. In the policy, learn = false fixes the weights
    of an experiment, and weight = 0 stops a variant.
    """
    from datetime import UTC, datetime

    from agents.learned import announcement
    from agents.learning import put_in_force

    settings = load(LeadSettings, policy=policy)
    learned, policies = _learned(settings, policy)
    _tell(learned, policies)
    record = announcement(learned)
    try:
        n = wait(put_in_force(settings, record, at.replace(tzinfo=UTC) if at else datetime.now(UTC)))
    except LeadkeeperError as error:
        fail_for(error)
    out.print(f"{record.version} is in force on {n} partitions")


def _learned(settings: LeadSettings, given: Path | None) -> "tuple[Learned, Mapping[str, Policy]]":
    from agents.in_force import in_force
    from agents.learning import learned_by
    from agents.library import policies_of

    try:
        with out.status("reading the topics ..."):
            policies = policies_of(settings) if given else wait(in_force(settings)).policies
            learned = wait(learned_by(settings, policies, effects=True))
    except LeadkeeperError as error:
        fail_for(error)
    if learned is None:
        fail(NOT_FOUND, "no intervention and no journey was tracked yet; there is nothing to learn from")
    return learned, policies


def _tell(learned: "Learned", policies: "Mapping[str, Policy]") -> None:
    from streams.offers import FLOOR
    from streams.variants import chances_of, probabilities

    out.print(f"outcomes up to {learned.until:%Y-%m-%d %H:%M} UTC", soft_wrap=True)
    for tenant, known in learned.tenants.items():
        policy = policies.get(tenant) or policies["*"]
        days = policy.episodes.attribution_days
        for name, seen in known.experiments.items():
            best = {variant: arm.best for variant, arm in seen.arms.items()}
            if (experiment := policy.experiments.get(name)) is not None:
                lines = in_words(seen, experiment.goal, days, probabilities(experiment, best))
            else:
                weights = {offer: policy.offers[offer].weight for offer in seen.arms}
                lines = in_words(seen, "kept", days, chances_of(weights, best, FLOOR))
                lines += offers_in_words(seen, {offer: policy.offers[offer].cost_cents / 100 for offer in seen.arms})
            _print(f"{tenant}  {name}", lines)
        for name, seen in known.choices.items():
            _print(f"{tenant}  {name}", in_words(seen, "kept", days))
        for name, against in known.programmes.items():
            _print(f"{tenant}  {name}", effects_in_words(against, days))
        for stage, channels in known.channels.items():
            told = ", ".join(f"{channel} {one.rate:.0%} of {one.messages:,}" for channel, one in channels.items())
            _print(f"{tenant}  answers in {stage}", [told])
        if known.hours is not None:
            _print(f"{tenant}  hours", hours_in_words(known.hours))


def offers_in_words(seen: "Shown", costs: "Mapping[str, float]") -> list[str]:
    """What each offer keeps beyond sending nothing, and what a lead kept so costs; `costs`: of each offer, if taken."""
    from streams.bandit import LEAST_EACH

    if seen.held.leads < LEAST_EACH:
        return [f"against nothing: not enough data ({seen.held.leads} held-out leads of {LEAST_EACH})"]
    lines = []
    for name, arm in seen.arms.items():
        gain = seen.gain(name)
        lines.append(f"{name} against nothing: {100 * gain.difference:+.1f} points, +/- {100 * gain.wide:.1f}")
        if arm.leads < LEAST_EACH or not gain.sure or gain.difference <= 0:
            lines.append("  not known to keep anybody")
        else:
            # Taken by all who stay: those who would have stayed anyway take it too.
            lines.append(f"  {costs[name] * arm.rate / gain.difference:,.2f} for each lead kept by it")
    return lines


def effects_in_words(against: "Mapping[Arm, Shown]", days: float) -> list[str]:
    """What a programme changes, in lines of at most 80 characters."""
    from streams.bandit import LEAST_EACH
    from streams.effects import TREATED

    lines = [
        f"by who stayed within {days:g} days; each lead that came to a step of it, once",
        f"{'':24}{'leads':>7}{'stayed':>10}{'95 %':>17}",
    ]
    treated = next(iter(against.values())).arms[TREATED]
    for name, arm in ((TREATED, treated), *((name, seen.held) for name, seen in against.items())):
        low, high = arm.interval
        rate = f"{arm.rate:10.1%}{f'{low:.1%} - {high:.1%}':>17}" if arm.leads else ""
        lines.append(f"{name:24}{arm.leads:7,}{rate}")
    for name, seen in against.items():
        gain, least = seen.gain(TREATED), min(treated.leads, seen.held.leads)
        if least < LEAST_EACH:
            lines.append(f"against {name}: not enough data ({least} leads of {LEAST_EACH})")
        else:
            sure = "" if gain.sure else "; not known to change anything"
            lines.append(f"against {name}: {100 * gain.difference:+.1f} points, +/- {100 * gain.wide:.1f}{sure}")
    return lines


def hours_in_words(known: "Hours") -> list[str]:
    """What is known of hours, and what is not."""
    from streams.hours import DAYS, LEAST_EVENTS, LEAST_SENT

    usual = (
        f"leads answer most at {known.usual}:00, by {known.tried:,} messages at hours tried out"
        if known.usual is not None
        else f"not enough data: {known.tried:,} messages at hours tried out, {LEAST_SENT:,} are needed"
    )
    own = f"{len(known.own):,} leads have an hour of their own ({LEAST_EVENTS} signs of life in {DAYS} days)"
    left = [f"{known.left_out:,} more did not fit into one record"] if known.left_out else []
    stages = [
        f"in {stage if stage != 'none' else 'no stage of risk'}: {f'most at {hour}:00' if hour is not None else 'the hour of all'}, "
        f"by {n:,} messages{'' if hour is not None else f' of {LEAST_SENT:,} needed'}"
        for stage, (n, hour) in known.stages.items()
    ]
    return [usual, *stages, own, *left]


def _print(title: str, lines: list[str]) -> None:
    out.print(f"\n[bold]{title}[/]", soft_wrap=True)
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)


def in_words(seen: "Shown", goal: "Goal", window_days: float, nexts: "Mapping[str, float] | None" = None) -> list[str]:
    """What an experiment has shown, in lines of at most 80 characters; `nexts`: chances that follow from it."""
    from streams.bandit import LEAST_EACH, WORDS

    lines = [
        f"by who {WORDS[goal]} within {window_days:g} days; first message of each lead",
        f"{'variant':20}{'leads':>7}{WORDS[goal]:>10}{'95 %':>17}{'opened':>8}{'best':>7}{'next' if nexts else '':>7}".rstrip(),
    ]
    for name, arm in seen.arms.items():
        low, high = arm.interval
        rate = f"{arm.rate:10.1%}{f'{low:.1%} - {high:.1%}':>17}{arm.opened:8.0%}" if arm.leads else " " * 35
        then = f"{nexts[name]:7.0%}" if nexts else ""
        lines.append(f"{name[:20]:20}{arm.leads:7,}{rate}{arm.best:7.0%}{then}")
    if any(arm.leads < LEAST_EACH for arm in seen.arms.values()):
        return [*lines, f"not enough data: {LEAST_EACH} leads of each variant are the least"]
    for one in seen.leads:
        points = 100 * one.difference
        lines.append(f"{seen.leader} against {one.other}: {points:+.1f} points, +/- {100 * one.wide:.1f}")
    if seen.winner:
        return [*lines, f"{seen.winner} is better than every other variant"]
    widest = max((one.wide for one in seen.leads), default=0.0)
    return [*lines, f"not yet known; by now a difference of {100 * widest:.1f} points would show"]
