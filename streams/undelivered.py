"""Nothing gets through to the lead: somebody is asked to step in, once in an episode.

Either so many messages of the episode failed or bounced (`escalation.undelivered` of the policy), or all that a stage has
tried did, with no other channel left to try. What was taken back in time is no failure; nor is any of it once the lead is back.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from streams.escalate import escalate_by_itself
from streams.planning import reaches_lead
from streams.stage import ORDER
from streams.track import NOT_REACHED

if TYPE_CHECKING:
    from streams.record import Intervention
    from streams.rules import Case


def ask_if_nothing_arrives(case: Case) -> None:
    """A message did not get through, or could not go out: ask for a person where that leaves nothing."""
    record, most = case.record, case.policy.escalation.undelivered
    episode = record.episode
    if episode is None or episode.undelivered or not most or not case.desk.acting:
        return
    tried = [
        i
        for i in record.interventions
        if i.episode == episode.number and not (i.campaign or i.held_out or i.withdrawn) and reaches_lead(case, i)
    ]
    lost = [i for i in tried if i.status in NOT_REACHED]
    if not lost or case.signs["last_key"] > lost[-1].at:
        return
    if len(lost) >= most:
        why = f"{len(lost)} messages did not get through"
    elif stage := _all_lost(case, tried):
        why = f"nothing of {ORDER[stage]} got through"
    else:
        return
    episode.undelivered = True
    escalate_by_itself(case, why)


def _all_lost(case: Case, tried: list[Intervention]) -> int:
    """The most serious stage of which nothing got through, and nothing is left of what failed; 0: there is none."""
    assert case.record.episode is not None
    under_way = {(p.stage, p.step, p.by) for p in case.record.episode.planned if not p.waits}
    lost: defaultdict[int, list[bool]] = defaultdict(list)
    for i in tried:
        lost[i.stage].append(i.status in NOT_REACHED and (i.stage, i.step, i.by) not in under_way)
    return max((stage for stage, of_stage in lost.items() if all(of_stage)), default=0)
