"""How right it was what `contacting` tells of leads: messages at the best hour, or by the best channel, against all others.

Of each message it is asked what would have been told of its lead when it was commanded, from what was known by then; so the
message itself is in nothing that told its hour or channel; of channels by the lead's own answers alone, since what its stage
answered by then is not kept. Judged over many leads: one lead has too few messages for any share of them to be more than
chance. Nobody was drawn for it: who is written to at its best hour may be more willing than others. What choosing is worth is
told by `learn report`, which holds it against a control group.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from schemas.outcomes import InterventionTracked
from schemas.units import Channel
from streams.bandit import LEAST_EACH, plausible
from streams.channel_choice import answers_best
from streams.features import DAY
from streams.hours import DAYS, usual_hour
from streams.send_time import WIDE_HOURS
from streams.track import NOT_REACHED, was_answered

HourOf = Callable[[float], int]
"""The hour that a lead's clock shows at a time (epoch seconds)."""


class Share(NamedTuple):
    """Messages that reached leads, and how many of them were answered."""

    sent: int = 0
    answered: int = 0

    def one_more(self, *, answered: bool) -> "Share":
        """With another message."""
        return Share(self.sent + 1, self.answered + answered)


class Held(NamedTuple):
    """Messages as was told, and others to leads of which something was told."""

    as_told: Share = Share()
    others: Share = Share()

    @property
    def enough(self) -> bool:
        """Whether anything may be said of the two."""
        return min(self.as_told.sent, self.others.sent) >= LEAST_EACH

    def note(self, *, as_told: bool, answered: bool) -> "Held":
        """With another message."""
        if as_told:
            return self._replace(as_told=self.as_told.one_more(answered=answered))
        return self._replace(others=self.others.one_more(answered=answered))


class Accuracy(NamedTuple):
    """By hour and by channel; `leads`: of how many something was ever told."""

    leads: int
    hour: Held
    channel: Held


def reached(tracked: Iterable[InterventionTracked]) -> list[InterventionTracked]:
    """Of each message that reached a lead, its last word, in the order in which they were commanded."""
    newest: dict[str, InterventionTracked] = {}
    for one in tracked:
        if one.final and one.arm == "treated" and one.status not in NOT_REACHED:
            held = newest.get(one.intervention)
            if held is None or held.at <= one.at:
                newest[one.intervention] = one
    return sorted(newest.values(), key=lambda one: (one.commanded_at, one.intervention))


def accuracy(
    tracked: Iterable[InterventionTracked], activity: Mapping[str, Sequence[float]], clocks: Mapping[str, HourOf]
) -> Accuracy:
    """Walk through the messages of a tenant's leads.

    Args:
        tracked: all that was tracked of them, in any order.
        activity: when each lead was active, epoch seconds.
        clocks: of each lead; one without a clock is not judged by the hour.
    """
    by_lead: dict[str, list[InterventionTracked]] = defaultdict(list)
    for one in reached(tracked):
        by_lead[one.lead].append(one)
    hour, channel, told = Held(), Held(), set[str]()
    for lead, messages in by_lead.items():
        active, clock = sorted(activity.get(lead, ())), clocks.get(lead)
        known: dict[Channel, Share] = {}
        settled = sorted(messages, key=attrgetter("at"))
        for one in messages:
            at, answered = one.commanded_at.timestamp(), was_answered(one)
            while settled and settled[0].at < one.commanded_at:
                before = settled.pop(0)
                known[before.channel] = known.get(before.channel, Share()).one_more(answered=was_answered(before))
            own = {way: (share.sent, (share.answered + 1) / (share.sent + 2)) for way, share in known.items()}
            if (best := answers_best(own)) is not None:
                told.add(lead)
                channel = channel.note(as_told=one.channel == best, answered=answered)
            if clock and (usual := _best_hour(active, at, clock)) is not None:
                told.add(lead)
                hour = hour.note(as_told=(clock(at) - usual) % 24 < WIDE_HOURS, answered=answered)
    return Accuracy(len(told), hour, channel)


def in_words(found: Accuracy, tenant: str) -> list[str]:
    """It as text, at most 80 columns wide."""
    lines = [f"told right?    answered, of messages to a sample of leads of {tenant}"]
    for name, held in (("hour", found.hour), ("channel", found.channel)):
        if held.enough:
            words = f"{_share(held.as_told)} as told, {_share(held.others)} others"
        else:
            of = f"{held.as_told.sent} as told, {held.others.sent} others; {LEAST_EACH} of each"
            words = f"not enough data ({of})"
        lines.append(f"  by {name:10}{words}")
    return lines


def _share(share: Share) -> str:
    low, high = plausible(share.answered, share.sent)
    return f"{share.answered / share.sent:.0%} of {share.sent} ({low:.0%} - {high:.0%})"


def _best_hour(active: Sequence[float], at: float, clock: HourOf) -> int | None:
    of_days = active[bisect_right(active, at - DAYS * DAY) : bisect_right(active, at)]
    return usual_hour([clock(moment) for moment in of_days])
