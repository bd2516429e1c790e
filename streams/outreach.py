"""Steps whose time has come: judged one by one, then sent, held or deferred; a channel that cannot be used gives way to the next."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from schemas import topics
from schemas.commands import DeliverIntervention, Recipient
from schemas.decisions import Rank, Rule, Verdict
from schemas.units import Channel
from streams import blast_radius, outbox
from streams.approve import ASKS
from streams.budget import day_of, note
from streams.calls import deadline_by_day, is_call
from streams.campaign import ends_at
from streams.caps import trim
from streams.channel_choice import choice
from streams.consent import address_of
from streams.decide import Judgement, Subject, judge, quiet_window, stands_still
from streams.draws import draws_of
from streams.features import HOUR
from streams.offering import priced
from streams.planning import add_steps
from streams.playbook import step_of
from streams.rank import cost_of, rank, worth
from streams.record import Contact, Draw, Intervention, Planned
from streams.send_time import hour_of
from streams.stage import ORDER
from streams.undelivered import ask_if_nothing_arrives
from streams.variants import worded
from streams.waiting import follow, times_out
from streams.winner import Before, Sent, winner_of
from streams.wording import variables_of

if TYPE_CHECKING:
    from streams.plays import Step
    from streams.rules import Case

ONLY_WATCHING = Judgement(Verdict.HELD, Rule.OPERATOR, "the partition only watches, as activated")
UNREACHABLE = frozenset({Rule.NO_CONSENT, Rule.SUPPRESSED, Rule.NO_ADDRESS})


def run_due_steps(case: Case) -> None:
    """Judge every planned step whose time has come.

    Staff is told first; of what reaches the lead, that with the highest rank goes first (`rank`), then the most serious
    stage, then the order of the playbook. Who comes later may find a cap full: the decision names the winner.
    """
    if not case.record.all_planned():
        return
    case.record.contacts = trim(case.record.contacts, case.now, case.policy.longest_rest_hours)
    before, sent = Before(list(case.record.contacts), dict(case.record.acted)), list[Sent]()
    while True:
        due = [p for p in case.record.all_planned() if p.due <= case.now]
        if not due:
            return
        planned = max(due, key=partial(_first, case)) if len(due) > 1 else due[0]
        if planned.waits:
            times_out(case, planned)
            continue
        case.record.home_of(planned).remove(planned)
        if planned.campaign:
            planned.expires = min(planned.expires, ends_at(case, planned))
        _run(case, planned, before, sent)


def _first(case: Case, planned: Planned) -> tuple[bool, float, int]:
    step, rule = _step_of(case, planned), case.policy.channels.get(planned.channel)
    if planned.waits or step is None or rule is None or not rule.contacts_lead:
        return True, 0.0, planned.stage
    return False, _rank(case, planned, step).score, planned.stage


def _step_of(case: Case, planned: Planned) -> Step | None:
    """The step, with what it offers."""
    step = step_of(case.policy, planned)
    return step and priced(case, step, planned.stage)


def _rank(case: Case, planned: Planned, step: Step) -> Rank:
    value = worth(case.record.profile, case.policy, float(case.signs["cents"]))
    risk = 1.0 if planned.campaign else case.probability
    return rank(step, planned, case.policy, value_cents=value, risk=risk, now=case.now)


def _judge(
    case: Case,
    planned: Planned,
    step: Step,
    before: Before,
    sent: Sequence[Sent],
) -> Judgement:
    record, policy = case.record, case.policy
    spent, share = 0, 0.0
    if policy.budget.per_day_cents is not None:
        share = policy.budget.per_day_cents / case.desk.partitions
        day = day_of(case.now, policy.quiet_hours.timezone)
        spent = case.desk.partition.spending.until(case.key, day, case.desk.offset)
    subject = Subject(
        case.lead, record.profile, record.consent, record.suppressed, record.contacts,
        outbox.is_held_out(case, planned),
        outbox.programme_of(planned) if outbox.only_written_down(case, planned) else "", record.acted, spent, share,
        hour_of(case, step, planned), blast_radius.crowd_of(case, step.action), record.closed,
    )  # fmt: skip
    ranked = _rank(case, planned, step)

    def judged(known: Subject) -> Judgement:
        return judge(planned, step, known, policy, ranked, case.now)

    told = judged(subject)
    if (won := winner_of(told.rule, subject, before, sent, judged)) is None:
        return told
    return told._replace(winner=won.id, detail=f"{told.detail}; {won.step} went first")


def _run(case: Case, planned: Planned, before: Before, sent: list[Sent]) -> None:
    step = _step_of(case, planned)
    if step is None:
        outbox.decided(case, planned, Judgement(Verdict.HELD, Rule.EXPIRED, "the policy no longer has this step"))
        return
    judgement = _judge(case, planned, step, before, sent) if case.desk.acting else ONLY_WATCHING
    if step.choose and judgement.verdict is Verdict.SENT:
        judgement = judgement._replace(detail=f"{judgement.detail}; {choice(case, step, planned.stage).why}")
    planned.expires += stands_still(planned, step, judgement, case.policy, case.now)
    decision = outbox.decided(case, planned, judgement)
    if judgement.verdict is Verdict.SENT or judgement.rule is Rule.BLAST_RADIUS:
        blast_radius.note(case, step.action)
    match judgement.verdict:
        case Verdict.SENT:
            contacts_lead = case.policy.channels[planned.channel].contacts_lead
            sent.append(Sent(_send(case, planned, step, decision), step.action, contacts_lead))
            follow(case, planned, "sent")
        case Verdict.DEFERRED:
            if judgement.rule in ASKS and not planned.asked:
                planned.asked = case.now
            planned.due, planned.deferrals = judgement.until or case.now, planned.deferrals + 1
            case.record.home_of(planned).append(planned)
        case _ if judgement.rule is Rule.HOLDOUT:
            _note(case, planned, step, 0.0, draws_of(case, step, planned), held_out=True)
            follow(case, planned, "sent")  # as it would have been: the arms are compared
        case _ if not (judgement.rule in UNREACHABLE and _plan_fallback(case, planned, step)):
            follow(case, planned, "held")
            ask_if_nothing_arrives(case)


def _send(case: Case, planned: Planned, step: Step, decision: str) -> Intervention:
    draws, cost_cents = draws_of(case, step, planned), cost_of(step, planned, case.policy)
    intervention = _note(case, planned, step, cost_cents, draws, held_out=False)
    profile, rule = case.record.profile, case.policy.channels[planned.channel]
    deadline, quiet = max(planned.expires, case.now + HOUR), None
    if rule.contacts_lead or intervention.call:
        quiet = quiet_window(case.policy, profile, case.now, deadline)
    if intervention.call and quiet:
        deadline = deadline_by_day(deadline, quiet)
        quiet = quiet_window(case.policy, profile, case.now, deadline)
    agent = address_of(Channel.AGENT_ALERT, profile, case.lead, case.policy.escalation.target)
    case.emit(
        topics.INTERVENTIONS[planned.channel],
        DeliverIntervention(
            id=intervention.id,
            tenant=case.tenant,
            lead=case.lead,
            at=case.at,
            channel=planned.channel,
            stage=ORDER[planned.stage],
            episode=intervention.episode,
            step=planned.step,
            campaign=planned.campaign or None,
            action=step.action,
            priority=step.priority,
            template=worded(case, step, planned.channel).template,
            variables=variables_of(case, planned, step),
            recipient=Recipient(
                name=profile.name,
                email=profile.email,
                phone=profile.phone,
                agent=agent,
                timezone=profile.timezone,
                language=profile.language,
            ),
            deadline=outbox.instant(deadline),
            quiet=quiet,
            fallback=step.fallback,
            decision=decision,
            policy_version=case.policy.version,
            model_version=case.desk.scorer.version,
        ),
    )
    if case.record.episode and not planned.campaign:
        case.record.episode.sent += 1
        case.record.episode.cost_cents += intervention.cost_cents
    if rule.contacts_lead:
        case.record.contacts.append(Contact(case.now, planned.channel))
    if step.action in case.policy.caps.action_gap_hours:
        case.record.acted[step.action] = case.now
    if case.policy.budget.per_day_cents is not None and intervention.cost_cents:
        day = day_of(case.now, case.policy.quiet_hours.timezone)
        note(case.record, case.desk.offset, day, intervention.cost_cents)
        case.desk.partition.spending.add(case.key, day, case.desk.offset, intervention.cost_cents)
    return intervention


def _note(
    case: Case, planned: Planned, step: Step, cost_cents: float, draws: list[Draw], *, held_out: bool
) -> Intervention:
    intervention = Intervention(
        id=outbox.intervention_id(case, planned),
        at=case.now,
        episode=outbox.episode_of(case, planned),
        stage=planned.stage,
        step=planned.step,
        channel=planned.channel,
        held_out=held_out,
        cost_cents=cost_cents,
        by=planned.by,
        campaign=planned.campaign,
        run=planned.run,
        draws=draws,
        call=is_call(case.policy, step.action, planned.channel),
    )
    case.record.drawn |= {draw.experiment: draw for draw in draws}
    case.record.interventions.append(intervention)
    return intervention


def try_fallback(case: Case, failed: Intervention) -> bool:
    """A message that did not get through gives way to the step's next channel, while the episode lasts; whether there is one."""
    if not case.record.belongs(failed):
        return False
    planned = Planned(
        failed.stage, failed.step, failed.channel, case.now, case.now + 24 * HOUR, by=failed.by,
        campaign=failed.campaign, run=failed.run,
    )  # fmt: skip
    step = step_of(case.policy, planned)
    if step is None:
        return False
    if case.record.acted.get(step.action) == failed.at:
        del case.record.acted[step.action]  # it did not get through: its next channel is not a second one of its kind
    return _plan_fallback(case, planned, step)


def _plan_fallback(case: Case, planned: Planned, step: Step) -> bool:
    order = choice(case, step, planned.stage).order
    left = order[order.index(planned.channel) + 1 :] if planned.channel in order else ()
    if not left:
        return False
    add_steps(
        case,
        [
            Planned(
                planned.stage,
                planned.step,
                left[0],
                case.now,
                planned.expires,
                planned.deferrals,
                planned.by,
                campaign=planned.campaign,
                run=planned.run,
            )
        ],
    )
    return True
