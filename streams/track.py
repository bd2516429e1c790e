"""Receipts and later behaviour -> what became of an intervention. Late and out-of-order receipts are fine."""

from collections.abc import Container

from schemas.outcomes import InterventionTracked, Outcome
from schemas.units import DeliveryStatus
from streams.features import DAY
from streams.record import Intervention

RANK = {
    status: rank
    for rank, status in enumerate(
        (
            DeliveryStatus.PENDING,
            DeliveryStatus.QUEUED,
            DeliveryStatus.SENDING,
            DeliveryStatus.FAILED,
            DeliveryStatus.BOUNCED,
            DeliveryStatus.DELIVERED,
            DeliveryStatus.OPENED,
            DeliveryStatus.CLICKED,
            DeliveryStatus.RESPONDED,
        )
    )
}
"""Later in this list is later in a message's life; a receipt never moves a message back."""
NOT_REACHED = frozenset({DeliveryStatus.FAILED, DeliveryStatus.BOUNCED})
ENGAGED = frozenset({DeliveryStatus.OPENED, DeliveryStatus.CLICKED, DeliveryStatus.RESPONDED})
ANSWERED = frozenset({DeliveryStatus.CLICKED, DeliveryStatus.RESPONDED})
"""Opens are none: machines open mail."""
BACK = frozenset({Outcome.RE_ENGAGED, Outcome.CONVERTED})
KEEP_PAST = 10


def apply_receipt(intervention: Intervention, status: DeliveryStatus) -> bool:
    """Fold one receipt in; False when it says nothing new."""
    if RANK[status] <= RANK[intervention.status]:
        return False
    intervention.status = status
    intervention.delivered |= status is DeliveryStatus.DELIVERED or status in ENGAGED
    intervention.engaged |= status in ENGAGED
    intervention.responded |= status is DeliveryStatus.RESPONDED
    if not intervention.final and intervention.outcome is not Outcome.RE_ENGAGED:
        intervention.outcome = Outcome.IN_PROGRESS if intervention.engaged else Outcome.PENDING_RESPONSE
    return True


def was_answered(one: Intervention | InterventionTracked) -> bool:
    """A click, a reply, or the lead came back."""
    return one.status in ANSWERED or one.outcome in BACK


def window_ends(intervention: Intervention, attribution_days: float) -> float:
    """Until when behaviour may be credited to it, epoch seconds."""
    return intervention.at + attribution_days * DAY


def outcome_without_life(intervention: Intervention) -> Outcome:
    """What to say when its window ends and the lead gave no sign of life."""
    if intervention.status in NOT_REACHED:
        return Outcome.FAILED
    if not intervention.delivered and (intervention.withdrawn or not intervention.held_out):
        return Outcome.UNKNOWN
    return Outcome.IGNORED


def may_take_credit(intervention: Intervention) -> bool:
    """Whether it reached the lead, as far as we know; what failed or was taken back before it was out did not.

    For a held-out lead the same: what would have been taken back takes no credit either.
    """
    return intervention.status not in NOT_REACHED and (intervention.delivered or not intervention.withdrawn)


def success_score(intervention: Intervention) -> float:
    """0.20 delivered + 0.30 engaged + 0.25 responded + 0.25 churn prevented (version 1).

    A conversion implies a response and a prevented churn, so it scores at least 0.5 even where no receipt ever came.
    """
    prevented = intervention.outcome in {Outcome.RE_ENGAGED, Outcome.CONVERTED}
    responded = intervention.responded or intervention.outcome is Outcome.CONVERTED
    score = 0.20 * intervention.delivered + 0.30 * intervention.engaged + 0.25 * responded + 0.25 * prevented
    return round(score, 2)


def forget_old(
    interventions: list[Intervention], open_episode: int, open_runs: Container[int] = ()
) -> list[Intervention]:
    """All open ones, all of the open episode's playbook (0: none is open) and of open runs of campaigns, the last ten of the others.

    A playbook has so many steps and no more, and none goes out twice in an episode, so they have to be known. Orders of
    operators have no such end.
    """

    def may_go(i: Intervention) -> bool:
        if i.campaign:
            return i.run not in open_runs
        return bool(i.by) or i.episode != open_episode

    closed = [i for i in interventions if i.final and may_go(i)]
    drop = {i.id for i in closed[:-KEEP_PAST]}
    return [i for i in interventions if i.id not in drop]
