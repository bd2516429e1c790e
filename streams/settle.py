"""What came of it is known for good: of an intervention, and of a churn episode with all that is still open of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import topics
from schemas.outcomes import EpisodeClosed, Outcome
from streams import outbox
from streams.channel_choice import note_answer
from streams.ids import derive
from streams.stage import ORDER
from streams.track import may_take_credit, outcome_without_life

if TYPE_CHECKING:
    from streams.episode import End
    from streams.record import Episode, Intervention
    from streams.rules import Case

END_OUTCOME = {"re_engaged": Outcome.RE_ENGAGED, "converted": Outcome.CONVERTED, "churned": Outcome.CHURNED}
SAVED = frozenset({"re_engaged", "converted"})


def finish(case: Case, i: Intervention) -> None:
    """Its outcome is known for good."""
    i.final = True
    note_answer(case.record, i, case.now)
    outbox.tracked(case, i)


def close_episode(case: Case, episode: Episode, end: End, value_cents: int | None) -> None:
    """End the open episode: what is still open of its interventions gets its outcome, savings are counted once.

    Args:
        case: the lead.
        episode: its open episode.
        end: how it ended.
        value_cents: money of the conversion where known; else the lead's value or the tenant's usual one, if saved.
    """
    for i in case.record.open_interventions():
        if i.episode == episode.number and not i.campaign:
            ends_as = END_OUTCOME.get(end) if end not in SAVED or may_take_credit(i) else None
            if i.outcome is not Outcome.RE_ENGAGED or (ends_as and end == "converted"):
                i.outcome = ends_as or outcome_without_life(i)
            finish(case, i)
    saved = end in SAVED
    usual = case.record.profile.value_cents or case.policy.lead_value_cents or 0
    case.emit(
        topics.OUTCOMES,
        EpisodeClosed(
            id=derive("eps", case.tenant, case.lead, case.born, episode.number),
            tenant=case.tenant,
            lead=case.lead,
            at=case.at,
            episode=episode.number,
            opened_at=outbox.instant(episode.opened),
            peak_stage=ORDER[episode.peak_stage],
            peak_probability=episode.peak_probability,
            outcome=end,
            arm="holdout" if episode.held_out else "treated",
            interventions=episode.sent,
            cost_cents=round(episode.cost_cents, 4),
            value_cents=max(value_cents if value_cents is not None else usual, 0) if saved else 0,
            policy_version=case.policy.version,
        ),
    )
    case.desk.tally["episode", end] += 1
    case.record.episode = case.record.told = None
