"""A policy in words and as its keys, and what differs between two."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from streams.bandit import WORDS
from streams.plays import Step
from streams.policy import Policy
from streams.stage import ORDER
from streams.triggers import (
    Anniversary,
    AppointmentDue,
    ChurnRisk,
    LifecycleStage,
    OnEvent,
    RenewalDue,
    SatisfactionDrop,
    Satisfied,
    Season,
    Trigger,
    Where,
)
from streams.variants import probabilities


class Difference(NamedTuple):
    """One key that differs; None where a side does not have it."""

    key: str
    old: Any
    new: Any


def in_short(policy: Policy) -> Iterator[str]:
    """What a policy asks for, a line each."""
    for stage, threshold in zip(ORDER[1:], policy.stages.enter, strict=True):
        steps = policy.playbooks.of(stage).steps
        yield f"{stage} from {threshold:g}: {'' if steps else 'no steps'}".rstrip()
        yield from (f"  {step_in_words(step)}" for step in steps)
        if hours := policy.playbooks.of(stage).hand_on_after_hours:
            yield f"  hand on after {hours:g} h"
    yield from _journey(policy)
    for name, campaign in policy.campaigns.items():
        yield f"campaign {name}: {cause_in_words(campaign.trigger)}{_for_whom(campaign.where)}"
        yield from (f"  {step_in_words(step)}" for step in campaign.steps)
    caps, quiet = policy.caps, policy.quiet_hours
    yield f"at most {caps.max_per_day} a day and {caps.max_per_week} a week, {caps.cooldown_hours:g} h between two"
    yield f"quiet {quiet.start} to {quiet.end} in the lead's zone, else in {quiet.timezone}"
    if (widest := policy.approvals.blast_radius) is not None:
        yield f"beyond {widest.leads:,} leads in {widest.within_hours:g} h of one action a person decides"
    for name, offer in policy.offers.items():
        stages = ", ".join(stage for stage in ORDER if stage in offer.stages)
        yield f"offer {name} in {stages}: {offer.words} ({offer.cost_cents / 100:,.2f})"
    if (hold := policy.send_time) is not None:
        yield f"held to {hold.hour}:00 or an hour that is learned; {hold.control:.0%} always to {hold.hour}:00"
    for name, experiment in policy.experiments.items():
        shares = ", ".join(f"{variant} {share:.0%}" for variant, share in probabilities(experiment, {}).items())
        how = f"learns from who {WORDS[experiment.goal]}" if experiment.learn else "does not learn"
        yield f"experiment {name} on {experiment.template}: {shares}; {how}"
    yield f"holdout {policy.holdout.share:.0%} ({policy.holdout.salt}); escalations to {policy.escalation.target}"


def step_in_words(step: Step) -> str:
    """One step on one line."""
    ways = " or ".join((step.channel, *step.fallback))
    when = f", {step.delay_hours:g} h later" if step.delay_hours else ""
    if step.after is not None:
        words = " or ".join(step.after.on or step.after.unless)
        how = "is" if step.after.on else "is not"
        when = f", if {step.after.step} {how} {words} in {step.after.within_hours:g} h{when}"
    return f"{step.name}: {step.action} by {ways}{when}, within {step.within_hours:g} h"


def _journey(policy: Policy) -> Iterator[str]:
    stages = policy.journey.stages
    if not stages:
        return
    yield "journey: " + " -> ".join(stage.name for stage in stages)
    begun = [(c.trigger, name) for name, c in policy.campaigns.items() if isinstance(c.trigger, LifecycleStage)]
    for stage in stages:
        days = f"typically {stage.typical_days:g} days" if stage.typical_days else ""
        stuck = f"stuck after {stage.stalls_after:g}" if stage.stalls_after else ""
        done = f"done on {' or '.join(stage.done_on)}" if stage.done_on else ""
        by = " ".join(f"{trigger.when}: {name}" for trigger, name in begun if trigger.stage == stage.name)
        yield f"  {stage.name}: {', '.join(filter(None, (days, stuck, done, by))) or 'stays'}"


def cause_in_words(trigger: Trigger) -> str:  # noqa: PLR0911 - a table of sentences
    """What begins a campaign."""
    match trigger:
        case OnEvent():
            return f"on {' or '.join(trigger.kinds)}"
        case AppointmentDue():
            return f"{trigger.hours_before:g} h before an appointment"
        case RenewalDue():
            return f"{trigger.days_before:g} days before the renewal"
        case Anniversary():
            return f"{trigger.after_days:g} days after {trigger.kind}"
        case Season():
            return f"every year from {trigger.start}, {trigger.days:g} days"
        case SatisfactionDrop():
            return f"satisfaction below {trigger.below:.0%}"
        case Satisfied():
            return f"satisfaction at least {trigger.at_least:.0%}"
        case ChurnRisk():
            return f"rise to {trigger.stage}"
        case LifecycleStage():
            return f"{trigger.stage} {trigger.when.replace('_', ' ')}"


def _for_whom(where: Where) -> str:
    worth = f"from {where.least_value_cents / 100:,.2f}" if where.least_value_cents else ""
    health = f"health {where.health[0]:g}-{where.health[1]:g}" if where.health else ""
    told = [" or ".join(sorted(where.journey)), " or ".join(sorted(where.risk)), health, worth]
    return f", for {', '.join(filter(None, told))}" if any(told) else ""


def keys_of(policy: Policy) -> dict[str, Any]:
    """Every key with its value, defaults too: dotted, steps by their name."""
    return dict(_flat("", policy.model_dump(mode="json")))


def differences(old: Policy, new: Policy) -> list[Difference]:
    """Keys whose value differs, in alphabetical order."""
    a, b = keys_of(old), keys_of(new)
    return [Difference(key, a.get(key), b.get(key)) for key in sorted(a | b) if a.get(key) != b.get(key)]


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, list) and value and all(isinstance(v, Mapping) and "name" in v for v in value):
        for i, inner in enumerate(value, 1):
            yield f"{name}.{inner['name']}", f"step {i}"
            yield from _flat(f"{name}.{inner['name']}", {k: v for k, v in inner.items() if k != "name"})
    elif value is not None:
        yield name, value
