"""May this channel be used for this lead at all: suppression first, then what the lead said, then the channel's default."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from schemas.decisions import Rule
from schemas.units import Channel
from streams.record import Profile

ALL = "all"


class Refusal(NamedTuple):
    """Why not, in words, and from when on it might be possible (None: not by waiting)."""

    rule: Rule
    detail: str
    until: float | None = None


def refuses(
    channel: Channel,
    default: Literal["opt_in", "opt_out"],
    consent: Mapping[str, bool],
    suppressed: Mapping[Channel, str],
) -> Refusal | None:
    """A refusal, or None when the channel is allowed. An opt-out of everything beats any single permission."""
    if channel in suppressed:
        return Refusal(Rule.SUPPRESSED, f"{channel} is suppressed: {suppressed[channel]}")
    if consent.get(ALL) is False:
        return Refusal(Rule.NO_CONSENT, "the lead opted out of everything")
    allowed = consent.get(channel)
    if allowed is False:
        return Refusal(Rule.NO_CONSENT, f"the lead opted out of {channel}")
    if allowed is None and default == "opt_in":
        return Refusal(Rule.NO_CONSENT, f"{channel} needs an opt-in, and there is none")
    return None


def opted_out(consent: Mapping[str, bool], channel: Channel) -> bool:
    """Whether the lead itself said no to this channel, or to everything."""
    return consent.get(ALL) is False or consent.get(channel) is False


def address_of(channel: Channel, profile: Profile, lead: str, fallback_agent: str) -> str | None:
    """Where a channel reaches: the lead's address, or for staff channels who is to be told."""
    match channel:
        case Channel.EMAIL:
            return profile.email
        case Channel.SMS | Channel.PHONE:
            return profile.phone
        case Channel.PUSH | Channel.IN_APP:
            return lead
        case _:
            return profile.owner or fallback_agent
