"""Writes down what a case concluded: assessments, decisions, tracked interventions, closed episodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from schemas import topics
from schemas.decisions import Decided, Rule, Verdict
from schemas.outcomes import InterventionTracked
from schemas.suppressions import AddressSuppressed, Cause, key_of
from schemas.units import Channel
from streams.assess import HEALTH, NOTHING, Judge, assessment, change, measures
from streams.draws import draws_of
from streams.holdout import CAMPAIGN, chance, held_out, out_of_programme
from streams.ids import derive
from streams.insight import notes_of_move
from streams.partition import Out
from streams.playbook import step_of
from streams.record import Planned
from streams.risk import level_of
from streams.stage import ORDER
from streams.suppression import TALLY, addresses_of, words
from streams.track import success_score
from streams.trend import note_risk
from streams.variants import told, worded

if TYPE_CHECKING:
    from streams.decide import Judgement
    from streams.record import Intervention
    from streams.rules import Case


def instant(seconds: float) -> datetime:
    """Epoch seconds as an aware time."""
    return datetime.fromtimestamp(seconds, UTC)


def assessed(case: Case, probability: float, before: int, measured: Sequence[float] | None = None) -> None:
    """Publish a fresh probability, and the stage the lead is in now; `before` is the stage it came from.

    `measured`: its row of `measures`, if that is known.
    """
    rows, scorer, policy = case.desk.table.rows, case.desk.scorer, case.policy
    seq = int(rows["seq"][case.row])
    rows["seq"][case.row] = seq + 1
    measured = measured or measures(case.x[None, :], np.array([probability]))[0].tolist()
    notes = notes_of_move(case, probability, before, measured[HEALTH]) if case.stage != before else NOTHING
    value = assessment(
        *(case.tenant, case.lead, case.born, seq + 1, case.now, case.cause),
        probability,
        change(probability, case.probability, seq),
        level_of(probability, policy.stages.enter),
        case.stage,
        before,
        measured,
        Judge(scorer.method, scorer.version, policy.version),
        notes,
    )
    case.put(topics.ASSESSMENTS, value)
    rows["published"][case.row] = probability
    if case.record.episode is not None:
        note_risk(case.record.episode, case.now, case.probability)
    case.desk.tally["assessed", ORDER[case.stage]] += 1
    if case.stage != before:
        case.desk.tally["stage", ORDER[before], ORDER[case.stage]] += 1


def intervention_id(case: Case, planned: Planned) -> str:
    """The same intent has the same id: tenant, lead, its life, policy, episode or run, step, channel, operator's order."""
    number, part_of = episode_of(case, planned), str(ORDER[planned.stage])
    if planned.campaign:
        number, part_of = planned.run, f"campaign.{planned.campaign}"
    step = f"{part_of}.{planned.step}.{planned.by}".rstrip(".")
    return derive("int", case.tenant, case.lead, case.born, number, step, planned.channel)


def episode_of(case: Case, planned: Planned) -> int:
    """The number of the episode a step belongs to; 0: it is of a campaign."""
    if planned.campaign:
        return 0
    assert case.record.episode is not None
    return case.record.episode.number


def is_held_out(case: Case, planned: Planned) -> bool:
    """Whether a step is only noted and never sent: as its episode began, or for a campaign as the policy says now."""
    if planned.campaign:
        return held_out(case.policy.holdout, case.tenant, case.lead)
    assert case.record.episode is not None
    return case.record.episode.held_out


def decided(case: Case, planned: Planned, judgement: Judgement) -> str:
    """Publish one decision about a planned step; returns the decision's id."""
    out = is_held_out(case, planned) or only_written_down(case, planned)
    return _decided(case, planned, judgement, intervention_id(case, planned), episode_of(case, planned), held_out=out)


def programme_of(planned: Planned) -> str:
    """The campaign or playbook that a step is part of; empty: an operator's own action, or a task, which are part of none."""
    if planned.campaign:
        return CAMPAIGN + planned.campaign
    return "" if planned.action else str(ORDER[planned.stage])


def only_written_down(case: Case, planned: Planned) -> bool:
    """Whether the lead is held out of the step's programme."""
    return out_of_programme(case.policy, case.tenant, case.lead, programme_of(planned))


def withdrawn(case: Case, i: Intervention, judgement: Judgement) -> str:
    """Publish that a command is taken back; returns the decision's id."""
    planned = Planned(i.stage, i.step, i.channel, i.at, case.now, by=i.by, campaign=i.campaign, run=i.run)
    return _decided(case, planned, judgement, i.id, i.episode, held_out=i.held_out)


def _decided(
    case: Case, planned: Planned, judgement: Judgement, intervention: str, episode: int, *, held_out: bool
) -> str:
    step = step_of(case.policy, planned)
    wording = worded(case, step, planned.channel) if step else None
    # The assessment is part of the id, since a step that was held may be planned again when the stage is entered again.
    decision = derive("dec", intervention, judgement.verdict, planned.deferrals, case.assessment_id)
    case.emit(
        topics.DECISIONS,
        Decided(
            id=decision,
            tenant=case.tenant,
            lead=case.lead,
            at=case.at,
            verdict=judgement.verdict,
            rule=judgement.rule,
            detail=judgement.detail,
            until=None if judgement.until is None else instant(judgement.until),
            expires=None if judgement.verdict is Verdict.WITHDRAWN else instant(planned.expires),
            intervention=intervention,
            assessment=case.assessment_id,
            episode=episode,
            stage=ORDER[planned.stage],
            step=planned.step,
            campaign=planned.campaign or None,
            channel=planned.channel,
            template=wording.template if wording else None,
            winner=judgement.winner,
            rank=judgement.rank,
            arm="holdout" if held_out else "treated",
            propensity=chance(case.policy, programme_of(planned), out=held_out),
            probability=case.probability,
            policy_version=case.policy.version,
            model_version=case.desk.scorer.version,
            weights_version=case.desk.partition.state.weights or None,
            drawn=tuple(map(told, draws_of(case, step, planned))) if step else (),
        ),
    )
    case.desk.tally["decided", judgement.verdict, judgement.rule, planned.channel] += 1
    return decision


def decided_of_lead(
    case: Case,
    step: str,
    verdict: Verdict,
    rule: Rule,
    detail: str,
    escalation: str | None = None,
    *,
    programme: str = "",
    campaign: str | None = None,
    about: str = "",
) -> None:
    """Publish a decision about the lead as a whole: to escalate it or not, to begin another playbook or a campaign.

    `about` tells decisions about the same step apart that one message leads to: two reasons to escalate at once.
    """
    episode = case.record.episode
    of = CAMPAIGN + campaign if campaign else programme or str(ORDER[case.stage])
    everything = held_out(case.policy.holdout, case.tenant, case.lead)
    out = everything or out_of_programme(case.policy, case.tenant, case.lead, of)
    number = episode.number if episode else 0
    case.emit(
        topics.DECISIONS,
        Decided(
            id=derive(
                "dec",
                case.tenant,
                case.lead,
                case.policy.name,
                number,
                f"campaign.{campaign}" if campaign else f"{step}.{about}" if about else step,
                case.assessment_id,
                case.cause,
            ),
            tenant=case.tenant,
            lead=case.lead,
            at=case.at,
            verdict=verdict,
            rule=rule,
            detail=detail,
            escalation=escalation,
            assessment=case.assessment_id,
            episode=number,
            stage=ORDER[case.stage],
            step=step,
            campaign=campaign,
            arm="holdout" if out else "treated",
            propensity=chance(case.policy, of, out=out),
            probability=case.probability,
            policy_version=case.policy.version,
            model_version=case.desk.scorer.version,
        ),
    )
    case.desk.tally["decided", verdict, rule, "campaign" if campaign else "escalation"] += 1


def tracked(case: Case, i: Intervention) -> None:
    """Publish how an intervention stands."""
    state = "final" if i.final else "open"
    case.emit(
        topics.OUTCOMES,
        InterventionTracked(
            id=derive("trk", i.id, i.status, i.outcome, state),
            tenant=case.tenant,
            lead=case.lead,
            at=case.at,
            intervention=i.id,
            episode=i.episode,
            stage=ORDER[i.stage],
            step=i.step,
            campaign=i.campaign or None,
            channel=i.channel,
            arm="holdout" if i.held_out else "treated",
            commanded_at=instant(i.at),
            status=i.status,
            outcome=i.outcome,
            final=i.final,
            engaged=i.engaged,
            success_score=success_score(i),
            cost_cents=i.cost_cents,
            hours=round((case.now - i.at) / 3600, 4),
            policy_version=case.policy.version,
            drawn=tuple(map(told, i.draws)),
        ),
    )
    case.desk.tally["tracked", i.outcome, state] += 1


def say_of_addresses(records: Iterable[AddressSuppressed], outputs: list[Out], tally: Counter[tuple[str, ...]]) -> None:
    """Publish that addresses are suppressed, or released."""
    for record in records:
        outputs.append(Out(topics.SUPPRESSIONS.name, key_of(record), record.model_dump_json().encode()))
        tally[TALLY] += 1


def of_its_addresses(case: Case, channels: Iterable[Channel], cause: Cause, *, suppressed: bool) -> None:
    """The same of the lead's own addresses on these channels."""
    wanted = set(channels)
    addresses = {c: address for c, address in addresses_of(case.record.profile).items() if c in wanted}
    made = words(
        case.desk.address_key, case.tenant, addresses, cause, suppressed=suppressed, at=case.at, because=case.cause
    )
    say_of_addresses(made, case.desk.outputs, case.desk.tally)
