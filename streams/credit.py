"""Which outcomes count for an experiment: of each lead its first message, once the time in which it may take credit is over.

Before that, quick successes would be seen and slow ones not. The lead counts as drawn, whatever became of the message: one
that bounced or was taken back is a failure of its variant, since leaving it out would favour variants that bounce.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from schemas.outcomes import InterventionTracked, Outcome
from schemas.units import DeliveryStatus
from streams.bandit import Trial
from streams.experiments import Goal
from streams.features import DAY
from streams.policy import Policy
from streams.send_time import EXPLORE, NAME
from streams.track import BACK, was_answered

Firsts = Mapping[tuple[str, str], list[InterventionTracked]]
"""By tenant and experiment: of each lead the first message, as it stands last."""


def firsts(tracked: Iterable[InterventionTracked]) -> Firsts:
    """Of all that was tracked (any order, repeats allowed), what experiments rest on. Held-out leads got nothing."""
    newest: dict[str, InterventionTracked] = {}
    for one in tracked:
        held = newest.get(one.intervention)
        if one.arm == "treated" and one.drawn and (held is None or (held.at, held.final) <= (one.at, one.final)):
            newest[one.intervention] = one
    first: dict[tuple[str, str, str], InterventionTracked] = {}
    for one in sorted(newest.values(), key=lambda one: (one.commanded_at, one.intervention)):
        for drawn in one.drawn:
            first.setdefault((one.tenant, drawn.experiment, one.lead), one)
    found: dict[tuple[str, str], list[InterventionTracked]] = defaultdict(list)
    for (tenant, experiment, _), one in first.items():
        found[tenant, experiment].append(one)
    return found


def trials(
    messages: Iterable[InterventionTracked], experiment: str, goal: Goal, policy: Policy, until: datetime
) -> list[Trial]:
    """Those whose window has closed by then, judged by this goal."""
    return list(_trials(messages, experiment, goal, policy.episodes.attribution_days * DAY, until))


def tried_hours(
    tracked: Iterable[InterventionTracked], tenant: str, policy: Policy, until: datetime
) -> Iterator[tuple[InterventionTracked, bool]]:
    """Messages at hours that were drawn by a hash, their windows closed, and whether they were answered."""
    newest = {one.intervention: one for one in tracked if one.final and one.tenant == tenant and one.arm == "treated"}
    for one in newest.values():
        explored = any(drawn == (NAME, EXPLORE) for drawn in ((d.experiment, d.variant) for d in one.drawn))
        if explored and (until - one.commanded_at).total_seconds() >= policy.episodes.attribution_days * DAY:
            yield one, was_answered(one)


def _trials(
    messages: Iterable[InterventionTracked], experiment: str, goal: Goal, window: float, until: datetime
) -> Iterator[Trial]:
    for one in messages:
        if one.final and (until - one.commanded_at).total_seconds() >= window:
            drawn = next(drawn for drawn in one.drawn if drawn.experiment == experiment)
            yield Trial(drawn.variant, drawn.propensity, _succeeded(one, goal), one.engaged)


def _succeeded(one: InterventionTracked, goal: Goal) -> bool:
    if goal == "responded":
        return one.status is DeliveryStatus.RESPONDED
    return one.outcome in BACK if goal == "kept" else one.outcome is Outcome.CONVERTED
