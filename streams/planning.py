"""What is planned for a lead: playbooks begun, steps added and dropped, commands taken back. Campaigns begin in `campaign`."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from functools import partial
from typing import TYPE_CHECKING

from schemas import topics
from schemas.commands import WithdrawIntervention
from schemas.decisions import Rule, Verdict
from schemas.units import Channel, DeliveryStatus
from streams import outbox
from streams.channel_choice import choice
from streams.decide import Judgement
from streams.escalate import escalate_by_itself
from streams.features import DAY, HOUR
from streams.playbook import MOST_ORDERED, plan
from streams.record import UNANSWERED, Planned
from streams.stage import ORDER
from streams.track import RANK

if TYPE_CHECKING:
    from streams.plays import Step
    from streams.record import Intervention, OpenEscalation
    from streams.rules import Case

HAND_ON = "hand_on"
"""What a decision to begin the next stage's playbook names as its step."""


def begin_playbook(case: Case, stage: int) -> None:
    """The lead rose into a stage: its playbook takes the place of the one before, unless it was begun already."""
    episode = case.record.episode
    assert episode is not None
    if stage <= episode.handed_on:
        return
    drop_planned(
        case,
        Rule.STAGE_PASSED,
        f"the lead is in {ORDER[stage]} now",
        lambda p: not p.by and not p.campaign and p.stage > episode.handed_on,
    )
    _begin(case, stage)


def hand_on(case: Case) -> None:
    """Nothing has stopped the playbook in its time: the next stage's begins, though the risk has not risen there."""
    episode = case.record.episode
    if episode is None or not episode.hand_on_at or case.now < episode.hand_on_at:
        return
    stage, episode.hand_on_at = episode.playbook, 0.0
    hours = case.policy.playbooks.of(ORDER[stage]).hand_on_after_hours
    told = f"nothing stopped the playbook of {ORDER[stage]} within {hours or 0:g} h"
    if stage + 1 == len(ORDER):
        escalate_by_itself(case, told)
        return
    outbox.decided_of_lead(
        case, HAND_ON, Verdict.ESCALATED, Rule.PLAYBOOK, f"{told}; that of {ORDER[stage + 1]} begins"
    )
    episode.handed_on = stage + 1
    _begin(case, stage + 1)


def _begin(case: Case, stage: int) -> None:
    episode = case.record.episode
    assert episode is not None
    hours = case.policy.playbooks.of(ORDER[stage]).hand_on_after_hours
    episode.playbook, episode.hand_on_at = stage, case.now + hours * HOUR if hours else 0.0
    add_steps(case, plan(case.policy, stage, case.now, first_of=partial(first_channel, case)))


def first_channel(case: Case, step: Step, stage: int) -> Channel:
    """By which channel the step begins."""
    return choice(case, step, stage).order[0]


def make_task(case: Case, unanswered: OpenEscalation) -> None:
    """An escalation that nobody acknowledged becomes a task in the CRM, where the policy has a text for it."""
    template = case.policy.escalation.task_template
    if template is None:
        return
    case.be_assessed()
    case.open_episode()
    task = Planned(
        stage=case.stage,
        step=UNANSWERED,
        channel=Channel.CRM_TASK,
        due=case.now,
        expires=case.now + 7 * DAY,
        by=unanswered.id,
        action="agent_escalation",
        template=template,
    )
    add_steps(case, [task])


def add_steps(case: Case, steps: Sequence[Planned]) -> None:
    """Plan these, but no step by the same channel twice in an episode or run: the same intent has the same id."""
    record = case.record
    known = {i.id for i in record.interventions}
    known.update(outbox.intervention_id(case, p) for p in record.all_planned())
    ordered = sum(bool(p.by) for p in record.all_planned())
    for planned in steps:
        if outbox.intervention_id(case, planned) in known:
            continue
        if planned.by and ordered >= MOST_ORDERED:
            detail = f"{ordered} steps ordered by operators are waiting already; cancel them, or order again later"
            outbox.decided(case, planned, Judgement(Verdict.HELD, Rule.OPERATOR, detail))
            continue
        ordered += bool(planned.by)
        record.home_of(planned).append(planned)


def drop_planned(case: Case, rule: Rule, detail: str, which: Callable[[Planned], bool] = lambda _: True) -> None:
    """Steps that will not happen; each is written down."""
    for planned in [p for p in case.record.all_planned() if which(p)]:
        case.record.home_of(planned).remove(planned)
        outbox.decided(case, planned, Judgement(Verdict.HELD, rule, detail))


def stop_playbooks(case: Case, why: str, rule: Rule, detail: str) -> list[int]:
    """End the playbooks that stop on this (`recovery`, `reply`, `opt_out`); what operators ordered goes on. Which stages'."""
    episode = case.record.episode
    stages = [i for i in range(1, len(ORDER)) if why in case.policy.playbooks.of(ORDER[i]).stop_on]
    if episode is not None:
        if episode.playbook in stages:
            episode.hand_on_at = 0.0
        drop_planned(case, rule, detail, lambda p: not p.by and not p.campaign and p.stage in stages)
    return stages


def stop_campaigns(case: Case, why: str, rule: Rule, detail: str, at: float | None = None) -> None:
    """End the campaigns that stop on this: a word like those of playbooks, or a kind of event.

    What happened (`at`, epoch seconds) before one was begun does not end it, however late it is told.
    """
    described = case.policy.campaigns
    stopped = {
        name
        for name, ran in case.record.campaigns.items()
        if name in described and why in described[name].stop_on and (at is None or at >= ran.at)
    }
    if stopped:
        end_campaigns(case, stopped, rule, detail)


def end_campaigns(case: Case, names: Container[str], rule: Rule, detail: str) -> None:
    """End these campaigns; what is not out yet is taken back."""
    drop_planned(case, rule, detail, lambda p: p.campaign in names)
    withdraw(case, rule, detail, lambda i: i.campaign in names and reaches_lead(case, i))


def answered(case: Case) -> None:
    """The lead answered a message of ours."""
    stop_playbooks(case, "reply", Rule.RECOVERED, "the lead answered")
    stop_campaigns(case, "reply", Rule.RECOVERED, "the lead answered")


def withdraw(case: Case, why: Rule, reason: str, which: Callable[[Intervention], bool]) -> None:
    """Tell couriers, once, not to send those of these that are not confirmed as out yet."""
    for i in case.record.open_interventions():
        out = i.withdrawn or RANK[i.status] > RANK[DeliveryStatus.QUEUED]
        if out or not which(i):
            continue
        i.withdrawn = True
        if not i.held_out:  # of a held-out lead nothing is under way, but the same is noted
            outbox.withdrawn(case, i, Judgement(Verdict.WITHDRAWN, why, reason))
            case.emit(
                topics.INTERVENTIONS[i.channel],
                WithdrawIntervention(
                    id=i.id, tenant=case.tenant, lead=case.lead, at=case.at, channel=i.channel, reason=reason
                ),
            )
            case.desk.tally["withdrawn", i.channel] += 1


def withdraw_all(case: Case, why: Rule, reason: str, channel: Channel | None = None) -> None:
    """The same for all by a channel, of `phone` also the calls that somebody is asked for; None: by every channel, also to staff."""
    withdraw(case, why, reason, lambda i: channel in {None, i.channel} or (channel is Channel.PHONE and i.call))


def reaches_lead(case: Case, intervention: Intervention) -> bool:
    """Whether it goes to the lead itself, by the policy in force."""
    rule = case.policy.channels.get(intervention.channel)
    return rule is not None and rule.contacts_lead
