"""Steps of a policy that can never go out, whatever a lead does: valid keys, and yet a mistake."""

from collections.abc import Iterator

from schemas.units import Channel, Stage
from streams.findings import Finding
from streams.idle_values import idle_values
from streams.journey_check import never_met
from streams.offers import ACTION, running_offers
from streams.playbook import template_of
from streams.plays import DECIDED, Playbook, Step
from streams.policy import Policy
from streams.stage import ORDER
from streams.too_late import too_late
from streams.triggers import Campaign, ChurnRisk
from streams.vocabulary import BUILT_IN, Family

Place = tuple[str | int, ...]


def unreachable(policy: Policy) -> Iterator[Finding]:
    """What no lead will ever meet, with the key that keeps it from happening."""
    yield from never_met(policy)
    yield from too_late(policy)
    yield from idle_values(policy)
    yield from _unused_experiments(policy)
    yield from _empty_offers(policy)
    for where, programme in policy.programmes():
        for i, step in enumerate(programme.steps):
            place = (*where, "steps", i)
            yield from _step(policy, step, place)
            yield from _unaffordable(policy, step, place)
            if words := _always_stopped(policy, where, programme, step):
                what = f"step {step.name} waits for {words}"
                yield Finding((*place, "after", "on"), what, "take that out there, or wait for something else")
            if _always_dropped(step):
                what = f"step {step.name} waits for a step to be neither sent nor held, and each step is one of them"
                yield Finding((*place, "after", "unless"), what, f"take {' or '.join(DECIDED)} out")


def _unused_experiments(policy: Policy) -> Iterator[Finding]:
    steps = [step for _, programme in policy.programmes() for step in programme.steps]
    said = {template_of(step, channel) for step in steps for channel in (step.channel, *step.fallback)}
    for name, experiment in policy.experiments.items():
        if experiment.template not in said:
            what = f"no step says {experiment.template}, so nobody is ever part of {name}"
            yield Finding(("experiments", name, "template"), what, "name the template of a step, or of its fallback")


def _empty_offers(policy: Policy) -> Iterator[Finding]:
    """Offers that no step makes, and steps that make one where there is none."""
    making = [
        (stage, i)
        for stage in ORDER[1:]
        for i, step in enumerate(policy.playbooks.of(stage).steps)
        if step.action == ACTION
    ]
    for stage, i in making if policy.offers else ():
        if not running_offers(policy, stage):
            what = f"makes an offer, and there is none for {stage}"
            yield Finding(
                ("playbooks", str(stage), "steps", i, "action"), what, f"add {stage} to the stages of an offer"
            )
    met: set[Stage] = {stage for stage, _ in making}
    for name, campaign in policy.campaigns.items() if policy.offers else ():
        stages = _begun_in(campaign)
        for i, step in enumerate(campaign.steps):
            if step.action != ACTION:
                continue
            met |= stages
            if not any(running_offers(policy, stage) for stage in stages):
                begun = " or ".join(stage for stage in ORDER if stage in stages)
                what = f"makes an offer, and there is none for {begun}, where this campaign begins"
                yield Finding(
                    ("campaigns", name, "steps", i, "action"),
                    what,
                    "add the stage to those of an offer, or change the step",
                )
    for name, offer in policy.offers.items():
        if not offer.stages & met:
            what = "no step of its stages makes an offer"
            yield Finding(("offers", name, "stages"), what, f"give a step there the action {ACTION}, or take it out")


def _begun_in(campaign: Campaign) -> set[Stage]:
    """The churn stages in which leads may be when a campaign begins for them."""
    begun = {campaign.trigger.stage} if isinstance(campaign.trigger, ChurnRisk) else set(ORDER)
    return begun & campaign.where.risk or begun


def _step(policy: Policy, step: Step, place: tuple[str | int, ...]) -> Iterator[Finding]:
    ways = (step.channel, *step.fallback)
    if step.channel in step.fallback or len(set(ways)) < len(ways):
        what = f"step {step.name} falls back on a channel that it has tried"
        yield Finding((*place, "fallback"), what, "name each channel once")
    if step.choose and not step.fallback:
        what = f"step {step.name} chooses its channel, and has no other"
        yield Finding((*place, "choose"), what, "name other channels as fallback, or take choose out")
    shut = [c for c in ways if policy.channels[c].contacts_lead and _never(policy, c)]
    if shut == list(ways):
        what = f"step {step.name} can never go out: {_never(policy, step.channel)} is 0"
        yield Finding((*place, "channel"), what, "raise that cap, or take another channel")


def _unaffordable(policy: Policy, step: Step, place: tuple[str | int, ...]) -> Iterator[Finding]:
    day = policy.budget.per_day_cents
    cheapest = min(policy.channels[c].cost_cents for c in (step.channel, *step.fallback)) + step.cost_cents
    if day is not None and cheapest > day:
        what = f"step {step.name} can never go out: it costs {cheapest / 100:,.2f}, and budget.per_day_cents is {day / 100:,.2f}"
        yield Finding((*place, "cost_cents"), what, "raise the budget, or take a cheaper channel")


def _always_dropped(step: Step) -> bool:
    """Whether it waits for its step to be neither sent nor held, and a step is always one of them."""
    return step.after is not None and set(DECIDED) <= set(step.after.unless)


def _always_stopped(policy: Policy, where: Place, programme: Playbook | Campaign, step: Step) -> str:
    """What a step waits for and what it ends by, where each of these ends its programme; empty where one does not."""
    words = step.after.on if step.after else ()
    ends = [_ended_by(policy, where, programme, word) for word in words]
    return f"{' or '.join(words)}, which ends it all ({', '.join(dict.fromkeys(ends))})" if ends and all(ends) else ""


def _ended_by(policy: Policy, where: Place, programme: Playbook | Campaign, word: str) -> str:
    """The condition by which hearing this word ends the programme; empty: it does not."""
    stops: frozenset[str] = frozenset(programme.stop_on)
    if word == "responded":
        return _key(where, "reply") if "reply" in stops else ""
    if word in stops:
        return _key(where, word)
    kind = policy.kinds.get(word) or BUILT_IN.get(word)
    if kind is None or not kind.key:
        return ""
    if isinstance(programme, Playbook) and word in policy.episodes.converting:
        return "episodes.converting"
    if "recovery" in stops:
        return _key(where, "recovery")
    return _key(where, "reply") if "reply" in stops and kind.family == Family.REPLY else ""


def _key(where: Place, word: str) -> str:
    return f"{word} in {'.'.join(map(str, where))}.stop_on"


def _never(policy: Policy, channel: Channel) -> str:
    """The cap that shuts a channel for good; empty where there is none."""
    for name in ("max_per_day", "max_per_week"):
        if getattr(policy.caps, name) == 0:
            return f"caps.{name}"
    return f"channels.{channel}.max_per_week" if policy.channels[channel].max_per_week == 0 else ""
