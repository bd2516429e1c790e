"""Steps of a policy whose time comes when what they belong to is over: an episode, a season, the day that a campaign is about."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from streams.features import DAY, HOUR
from streams.findings import Finding
from streams.plays import Playbook, Step
from streams.policy import Policy
from streams.triggers import Anniversary, AppointmentDue, Campaign, RenewalDue, Season

A_DAY = DAY / HOUR


class End(NamedTuple):
    """How many hours after its beginning something is over, and what says so."""

    hours: float
    why: str


def too_late(policy: Policy) -> Iterator[Finding]:
    """Steps, and playbooks handed on, that begin too late for any lead."""
    for where, programme in policy.programmes():
        end = _end(policy, programme)
        if end is None:
            continue
        steps = {step.name: step for step in programme.steps}
        for i, step in enumerate(programme.steps):
            begins = earliest(step, steps)
            if begins >= end.hours:
                what = (
                    f"step {step.name} begins {begins:,g} h after the beginning or later; by then it is over: {end.why}"
                )
                key = ("delay_hours",) if step.delay_hours else ("after", "within_hours") if step.after else ()
                yield Finding((*where, "steps", i, *key), what, "shorten its delay, or what it waits for")
        hands_on = programme.hand_on_after_hours if isinstance(programme, Playbook) else None
        if hands_on is not None and hands_on >= end.hours:
            what = f"hands on after {hands_on:,g} h; by then it is over: {end.why}"
            yield Finding((*where, "hand_on_after_hours"), what, "hand on earlier, or take it out")


def earliest(step: Step, steps: Mapping[str, Step]) -> float:
    """How many hours after the beginning a step begins at the earliest, with what it waits for."""
    if step.after is None:
        return step.delay_hours
    waits = step.after.within_hours if step.after.unless else 0.0
    return earliest(steps[step.after.step], steps) + waits + step.delay_hours


def _end(policy: Policy, programme: Playbook | Campaign) -> End | None:
    """When a programme is over, whatever the lead does; None: never by itself."""
    if isinstance(programme, Playbook):
        return _end_of_episode(policy, programme)
    match programme.trigger:
        case AppointmentDue():
            return End(programme.trigger.hours_before, "that is the hour of the appointment")
        case RenewalDue():
            return End(programme.trigger.days_before * A_DAY, "that is the day of the renewal")
        case Anniversary():
            return End(programme.trigger.within_days * A_DAY, f"within_days is {programme.trigger.within_days:g}")
        case Season():
            return End(programme.trigger.days * A_DAY, f"the season lasts {programme.trigger.days:g} days")
        case _:
            return None


def _end_of_episode(policy: Policy, playbook: Playbook) -> End:
    rules = policy.episodes
    expires = End(rules.expires_after_days * A_DAY, f"episodes.expires_after_days is {rules.expires_after_days:g}")
    # Who gives a sign of life ends the playbook; who gives none is lost so long after the last one, and that came before.
    days = max(rules.churned_after_silent_days, 1.0)
    lost = End(days * A_DAY, f"episodes.churned_after_silent_days is {rules.churned_after_silent_days:g}")
    return min(expires, lost) if "recovery" in playbook.stop_on else expires
