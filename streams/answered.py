"""How often leads answer by channel and stage, from tracked interventions: what a lead's own few answers are held against.

All messages whose outcome is known count, whatever drew them, so a channel that is used for the willing looks better than it
is; the control group of `channel_choice` tells what choosing by it is worth.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from schemas.outcomes import InterventionTracked
from schemas.units import Channel, Stage
from schemas.weights import Answered
from streams.track import NOT_REACHED, was_answered

Rates = dict[Stage, dict[Channel, Answered]]


def answered(tracked: Iterable[InterventionTracked]) -> dict[str, Rates]:
    """By tenant, stage and channel. Of each message its last word; what did not reach the lead does not count."""
    final = {one.intervention: one for one in tracked if one.final and one.arm == "treated"}
    sent, back = Counter[tuple[str, Stage, Channel]](), Counter[tuple[str, Stage, Channel]]()
    for one in final.values():
        if one.status not in NOT_REACHED:
            sent[one.tenant, one.stage, one.channel] += 1
            back[one.tenant, one.stage, one.channel] += was_answered(one)
    found: dict[str, Rates] = defaultdict(dict)
    for (tenant, stage, channel), n in sorted(sent.items()):
        rate = round(back[tenant, stage, channel] / n, 6)
        found[tenant].setdefault(stage, {})[channel] = Answered(messages=n, rate=rate)
    return found
