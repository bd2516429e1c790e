"""How often a lead may be contacted: over all channels per day and week, and per channel per week."""

from collections.abc import Sequence

from schemas.decisions import Rule
from schemas.units import Channel
from streams.consent import Refusal
from streams.features import DAY, HOUR
from streams.record import Contact
from streams.thresholds import Caps

WEEK = 7 * DAY


def over_cap(contacts: Sequence[Contact], channel: Channel, channel_max: int, now: float, caps: Caps) -> Refusal | None:
    """The first cap that is full, with the time at which it has room again; None when there is room.

    Windows are sliding: (now - window, now].
    """
    every = [c.at for c in contacts]
    same = [c.at for c in contacts if c.channel == channel]
    return (
        _full(every, DAY, caps.max_per_day, now, Rule.CAP_TOTAL, "a day over all channels")
        or _full(every, WEEK, caps.max_per_week, now, Rule.CAP_TOTAL, "a week over all channels")
        or _full(same, WEEK, channel_max, now, Rule.CAP_CHANNEL, f"a week by {channel}")
    )


def _full(times: Sequence[float], window: float, cap: int, now: float, rule: Rule, words: str) -> Refusal | None:
    inside = sorted(t for t in times if t > now - window)
    if len(inside) < cap:
        return None
    detail = f"{len(inside)} contacts of {cap} allowed {words}"
    return Refusal(rule, detail, inside[-cap] + window if cap else None)


def trim(contacts: Sequence[Contact], now: float, rest_hours: float = 0.0) -> list[Contact]:
    """Drop what no window can see any more: neither a cap's week nor the longest rest that a policy asks for."""
    return [c for c in contacts if c.at > now - max(WEEK, rest_hours * HOUR)]
