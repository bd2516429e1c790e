"""Steps that wait for something: begun when it is heard, or when it is not; dropped otherwise. How a playbook branches."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from schemas.decisions import Rule, Verdict
from streams import outbox
from streams.decide import Judgement
from streams.features import HOUR
from streams.planning import add_steps, first_channel
from streams.playbook import step_of, steps_beside
from streams.record import Planned

if TYPE_CHECKING:
    from streams.record import Intervention
    from streams.rules import Case


class Told(NamedTuple):
    """A step about which something was heard: its stage, its name, whose order it was, and of which run of a campaign."""

    stage: int
    step: str
    by: str
    campaign: str
    run: int


def told_of(one: Planned | Intervention) -> Told:
    """The step that was planned, or that something was sent by."""
    return Told(one.stage, one.step, one.by, one.campaign, one.run)


def follow(case: Case, decided: Planned, word: str) -> None:
    """A step was sent or held for good: those that wait for something after it begin to wait."""
    if decided.action:
        return
    waiting = [
        Planned(
            stage=decided.stage,
            step=step.name,
            channel=first_channel(case, step, decided.stage),
            due=case.now + step.after.within_hours * HOUR,
            expires=case.now + (step.after.within_hours + step.delay_hours + step.within_hours) * HOUR,
            by=decided.by,
            waits=True,
            campaign=decided.campaign,
            run=decided.run,
        )
        for step in steps_beside(case.policy, decided)
        if step.after is not None and step.after.step == decided.step
    ]
    if waiting:
        add_steps(case, waiting)
        hear_word(case, word, told_of(decided))


def hear_word(case: Case, word: str, about: Told | None = None, at: float | None = None) -> None:
    """Something was heard of a step, or (None) the lead did something: who waited for it begins, or is dropped.

    What happened (`at`, epoch seconds) before the waiting began was not waited for, however late it is told.
    """
    for planned in [p for p in case.record.all_planned() if p.waits]:
        step = step_of(case.policy, planned)
        if step is None or step.after is None:
            continue
        if about is not None and about != told_of(planned)._replace(step=step.after.step):
            continue
        if at is not None and at < planned.due - step.after.within_hours * HOUR:
            continue
        if word in step.after.on:
            _begin(planned, case.now, step.delay_hours, step.within_hours)
        elif word in step.after.unless:
            _drop(case, planned, f"{step.after.step} came to {word}, so this is not needed")


def times_out(case: Case, planned: Planned) -> None:
    """The time of a waiting step is over: it begins where it waited for silence, or is dropped."""
    step = step_of(case.policy, planned)
    if step is not None and step.after is not None and step.after.on:
        words = " or ".join(step.after.on)
        _drop(case, planned, f"{step.after.step} did not come to {words} within {step.after.within_hours:g} h")
    else:  # also what a later policy no longer lets wait
        delay, within = (step.delay_hours, step.within_hours) if step else (0.0, 0.0)
        _begin(planned, planned.due, delay, within)


def _begin(planned: Planned, now: float, delay_hours: float, within_hours: float) -> None:
    planned.waits = False
    planned.due = now + delay_hours * HOUR
    planned.expires = planned.due + within_hours * HOUR


def _drop(case: Case, planned: Planned, detail: str) -> None:
    case.record.home_of(planned).remove(planned)
    outbox.decided(case, planned, Judgement(Verdict.HELD, Rule.BRANCH, detail))
