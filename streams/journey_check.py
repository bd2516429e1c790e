"""What a policy says of its journey and its campaigns that cannot be, and what no lead will ever meet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from schemas.units import Stage
from streams.findings import Finding
from streams.lifecycle import CLOSED
from streams.triggers import (
    STOPS,
    Anniversary,
    Campaign,
    ChurnRisk,
    LifecycleStage,
    OnEvent,
    Season,
)
from streams.vocabulary import BUILT_IN

if TYPE_CHECKING:
    from streams.lifecycle import Journey
    from streams.policy import Policy

Place = tuple[str | int, ...]
LISTENS = ("done_on", "milestones", "blockers", "back_on")


def is_kind(policy: Policy, word: str) -> bool:
    """Whether events of this kind can come: built in, or described in the vocabulary."""
    return word in BUILT_IN or word == "call_completed" or word in policy.vocabulary


def journey_contradictions(policy: Policy) -> Iterator[Finding]:
    """Kinds of events that nobody knows."""
    for i, stage in enumerate(policy.journey.stages):
        for key in LISTENS:
            yield from _kinds(policy, ("journey", "stages", i, key), getattr(stage, key), CLOSED)


def campaign_contradictions(policy: Policy) -> Iterator[Finding]:
    """Kinds of events, and stages of the journey, that nobody knows; seasons for nobody in particular."""
    for name, campaign in policy.campaigns.items():
        place, trigger = ("campaigns", name), campaign.trigger
        match trigger:
            case OnEvent():
                yield from _kinds(policy, (*place, "trigger", "kinds"), trigger.kinds)
            case Anniversary():
                yield from _kinds(policy, (*place, "trigger", "kind"), [trigger.kind])
            case LifecycleStage():
                yield from _stages(policy, (*place, "trigger", "stage"), [trigger.stage])
            case ChurnRisk() if trigger.stage is Stage.NONE:
                yield Finding(
                    (*place, "trigger", "stage"), "nobody rises to none", "name early_warning or a higher stage"
                )
            case Season() if not campaign.where.journey:
                what = f"campaign {name} is for everybody, and leads of whom nothing was heard on the journey are not remembered"
                yield Finding((*place, "trigger"), what, 'say for whom, like where = { journey = ["customer"] }')
            case _:
                pass
        yield from _stages(policy, (*place, "where", "journey"), sorted(campaign.where.journey))
        yield from _kinds(policy, (*place, "stop_on"), sorted(campaign.stop_on), STOPS)


def _kinds(policy: Policy, place: Place, words: Iterable[str], also: tuple[str, ...] = ()) -> Iterator[Finding]:
    for word in words:
        if word not in also and not is_kind(policy, word):
            others = f"{', '.join(also)}, " if also else ""
            remedy = f"write {others}a built-in type, or describe it under [vocabulary.{word}]"
            yield Finding(place, f"{word!r} is no kind of event that can come", remedy)


def _stages(policy: Policy, place: Place, names: Iterable[str]) -> Iterator[Finding]:
    known = policy.journey.index
    for name in names:
        if name not in known:
            there = f"write one of {', '.join(known)}" if known else "describe the stages under [[journey.stages]]"
            yield Finding(place, f"the journey has no stage {name!r}", there)


def never_met(policy: Policy) -> Iterator[Finding]:
    """Stages of the journey that no lead reaches, and triggers that nothing pulls."""
    reached = _reached(policy)
    for i, stage in enumerate(policy.journey.stages):
        place: Place = ("journey", "stages", i)
        if i not in reached:
            what = f"no lead ever reaches {stage.name}: {policy.journey.stages[i - 1].name} is done on nothing"
            yield Finding(
                (*place, "name"), what, "set done_on in the stage before, or follow_crm = true under [journey]"
            )
        if i == len(policy.journey.stages) - 1 and stage.done_on:
            what = f"{stage.name} is the last stage: there is none to enter after it"
            yield Finding((*place, "done_on"), what, "take it out, or add a stage")
        if i == 0 and stage.back_on:
            what = f"{stage.name} is the first stage: there is none to go back to"
            yield Finding((*place, "back_on"), what, "take it out")
        if i == 0 and stage.stalled_after_days is not None and not (stage.milestones or stage.blockers):
            what = f"of leads in {stage.name} nothing is kept before something is heard, so nobody is found stuck in it"
            yield Finding(
                (*place, "stalled_after_days"), what, "name milestones or blockers of the stage, or take it out"
            )
    for name, campaign in policy.campaigns.items():
        yield from _never_begins(policy, name, campaign)


def _reached(policy: Policy) -> set[int]:
    stages = policy.journey.stages
    if policy.journey.follow_crm:
        return set(range(len(stages)))
    return {i for i in range(len(stages)) if i == 0 or stages[i - 1].done_on}


def _never_begins(policy: Policy, name: str, campaign: Campaign) -> Iterator[Finding]:
    trigger, where, journey = campaign.trigger, campaign.where, policy.journey
    place: Place = ("campaigns", name)
    if isinstance(trigger, LifecycleStage):
        if why := _never_there(journey, trigger):
            yield Finding(
                (*place, "trigger"), f"campaign {name} never begins: {why}", "correct the stage, or the trigger"
            )
        yield from _excluded(name, "journey", trigger.stage, where.journey)
    if isinstance(trigger, ChurnRisk):
        yield from _excluded(name, "risk", trigger.stage, where.risk)
    if isinstance(trigger, Season) and where.journey <= {s.name for s in journey.stages[:1]}:
        what = f"campaign {name} is for leads in the first stage only, of whom nothing is remembered before something is heard"
        yield Finding((*place, "where", "journey"), what, "name a later stage")
    if where.health is not None and where.health[0] > where.health[1]:
        yield Finding((*place, "where", "health"), "nobody's health is between these", "write the lower one first")


def _never_there(journey: Journey, trigger: LifecycleStage) -> str:
    """Why what the trigger waits for never happens; empty where it may."""
    i = journey.index[trigger.stage]
    done = journey.stages[i - 1].done_on if i else ()
    back = journey.stages[i + 1].back_on if i + 1 < len(journey.stages) else ()
    if trigger.when == "stalled":
        stuck = journey.stages[i].stalls_after
        return f"{trigger.stage} has no typical_days and no stalled_after_days" if stuck is None else ""
    if journey.follow_crm:
        return ""
    way, how = (done, "enters") if trigger.when == "entered" else (back, "comes back to")
    if way and set(way) <= set(CLOSED):
        return f"a lead {how} {trigger.stage} only by being closed, and to closed leads nothing is sent"
    return "" if way else f"no lead ever {how} {trigger.stage}"


def _excluded(name: str, key: str, stage: str, meant: frozenset[Any]) -> Iterator[Finding]:
    if meant and stage not in meant:
        what = f"campaign {name} never begins: its trigger is about {stage}, and it is for {', '.join(sorted(meant))}"
        yield Finding(("campaigns", name, "where", key), what, f"add {stage}, or take {key} out")
