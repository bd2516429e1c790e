"""What a policy says that cannot be: keys that are right by themselves and wrong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from schemas.units import Channel
from streams.experiments import BUILT_IN_EXPERIMENTS
from streams.findings import Finding
from streams.journey_check import campaign_contradictions, is_kind, journey_contradictions
from streams.offers import ACTION, PREFIX
from streams.plays import DECIDED, RECEIPTS
from streams.quiet_hours import open_hours
from streams.vocabulary import BUILT_IN, CONNECTED

if TYPE_CHECKING:
    from streams.policy import Policy


def contradictions(policy: Policy) -> Iterator[Finding]:
    """Everything that keeps a policy from being used."""
    yield from _channels(policy)
    yield from _conversions(policy)
    yield from _waits(policy)
    yield from journey_contradictions(policy)
    yield from campaign_contradictions(policy)
    yield from _experiments(policy)
    if policy.offers and ACTION not in policy.caps.action_gap_hours:
        what = "there are offers, and nothing says how often a lead may get one"
        yield Finding(("caps", "action_gap_hours"), what, f"add {ACTION} = 2160 there: one in 90 days")
    if policy.send_time is not None and policy.send_time.hour not in open_hours(*policy.quiet_hours.minutes):
        what = f"{policy.send_time.hour}:00 is in the quiet hours"
        yield Finding(("send_time", "hour"), what, "name an hour in which leads may be contacted")
    chain = {*policy.escalation.chain, policy.escalation.target}
    for name in sorted(policy.escalation.hours.keys() - chain - {"owner", "manager"}):
        if not {"owner", "manager"} & chain:  # else it may be somebody's owner
            what = f"{name!r} is nobody of the chain"
            yield Finding(("escalation", "hours", name), what, "name one of the chain or the target, or take it out")
    if policy.escalation.task_template is not None and Channel.CRM_TASK not in policy.channels:
        what = "makes a CRM task, but [channels] does not describe crm_task"
        yield Finding(("escalation", "task_template"), what, "add a section [channels.crm_task], or take it out")


def _waits(policy: Policy) -> Iterator[Finding]:
    for where, programme in policy.programmes():
        steps = programme.steps
        before = {step.name: step.after.step for step in steps if step.after}
        for i, step in enumerate(steps):
            if step.after is None:
                continue
            place = (*where, "steps", i, "after")
            if step.after.step not in {s.name for s in steps}:
                what = f"step {step.name} comes after {step.after.step!r}, which is not there beside it"
                yield Finding((*place, "step"), what, "name a step of the same playbook or campaign")
            elif step.name in _chain(step.name, before):
                yield Finding(
                    (*place, "step"), f"step {step.name} waits for itself", "let one of the steps begin first"
                )
            for key, words in (("on", step.after.on), ("unless", step.after.unless)):
                for word in words:
                    if word not in {*DECIDED, *RECEIPTS} and not is_kind(policy, word):
                        what = f"{word!r} is nothing that can be heard"
                        remedy = f"write one of {', '.join((*DECIDED, *RECEIPTS))}, or a kind of event"
                        yield Finding((*place, key), what, remedy)


def _experiments(policy: Policy) -> Iterator[Finding]:
    for name, experiment in policy.experiments.items():
        if name in BUILT_IN_EXPERIMENTS or name.startswith(PREFIX):
            yield Finding(("experiments", name), f"{name} is an experiment of the product", "give it another name")
        if policy.experiment_on[experiment.template] != name:
            what = f"two experiments take the place of {experiment.template}"
            yield Finding(("experiments", name, "template"), what, "put their variants into one")


def _chain(name: str, before: Mapping[str, str]) -> list[str]:
    """The steps that come before a step; itself among them where they go round."""
    found: list[str] = []
    while name in before and before[name] not in found:
        name = before[name]
        found.append(name)
    return found


def _channels(policy: Policy) -> Iterator[Finding]:
    for where, programme in policy.programmes():
        for i, step in enumerate(programme.steps):
            place = (*where, "steps", i)
            for key, channel in (("channel", step.channel), *(("fallback", c) for c in step.fallback)):
                if channel not in policy.channels:
                    what = f"step {step.name} uses {channel}, which [channels] does not describe"
                    yield Finding((*place, key), what, f"add a section [channels.{channel}], or take another channel")


def _conversions(policy: Policy) -> Iterator[Finding]:
    place = ("episodes", "converting")
    for name in sorted(policy.episodes.converting):
        kind = policy.kinds.get(name) or (CONNECTED if name == "call_completed" else BUILT_IN.get(name))
        if kind is None:
            what = f"{name!r} is no event type and no kind of the vocabulary"
            yield Finding(place, what, f"correct it, or describe it under [vocabulary.{name}]")
        elif not kind.key:
            what = f"{name!r} is no sign of life"
            yield Finding(place, what, f"take it out, or set key = true under [vocabulary.{name}]")
