"""Rest between two contacts of a lead, over all channels and per channel, and between two actions of a kind."""

from collections.abc import Mapping, Sequence

from schemas.decisions import Rule
from schemas.units import Action, Channel
from streams.consent import Refusal
from streams.features import HOUR
from streams.record import Contact


def cooling(
    contacts: Sequence[Contact], channel: Channel, now: float, hours: float, channel_hours: float
) -> Refusal | None:
    """A refusal until the longer of the two rests is over, or None."""
    last = max((c.at for c in contacts), default=None)
    last_same = max((c.at for c in contacts if c.channel == channel), default=None)
    rests = [
        (when + rest * HOUR, rest, words)
        for when, rest, words in ((last, hours, "any contact"), (last_same, channel_hours, f"a contact by {channel}"))
        if when is not None and when + rest * HOUR > now
    ]
    if not rests:
        return None
    until, rest, words = max(rests)
    return Refusal(Rule.COOLDOWN, f"{rest:g} h of rest after {words}", until)


def acted_lately(
    acted: Mapping[str, float], action: Action, now: float, gap_hours: Mapping[Action, float]
) -> Refusal | None:
    """A refusal while the last action of this kind is more recent than its gap, by whatever channel; or None."""
    gap, last = gap_hours.get(action), acted.get(action)
    if gap is None or last is None or last + gap * HOUR <= now:
        return None
    return Refusal(Rule.ACTION_GAP, f"{gap:g} h between two {action}", last + gap * HOUR)
