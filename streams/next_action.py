"""What brings a lead on from where it is on its journey: what helps against what holds it up, else what its stage asks for."""

from collections.abc import Collection, Mapping

from schemas.units import Action
from streams.lifecycle import JourneyStage


def next_action(stage: JourneyStage, heard: Collection[str], blocked: Mapping[str, float]) -> Action | None:
    """The action; None where the policy names nothing.

    What stands in the way comes first, the newest of it (of two of one moment, the one that the stage names first); then the
    first milestone that is missing; each only where the stage names what helps (`unblock`).

    Args:
        stage: the lead is in it.
        heard: milestones that are behind it.
        blocked: what stood in the way, and when it was last heard of (epoch seconds).
    """
    helped = [kind for kind in stage.blockers if kind in blocked and kind in stage.unblock]
    if helped:
        return stage.unblock[max(helped, key=lambda kind: blocked[kind])]
    missing = (kind for kind in stage.milestones if kind not in heard and kind in stage.unblock)
    return stage.unblock.get(next(missing, ""), stage.next_action)
