"""Calls: steps by which somebody is asked to phone the lead.

We send no message then, and yet the lead is reached: it has to allow the phone, and it is phoned by day. So a call is judged
by what the lead said of `phone` and of everything, and its time stands still in the lead's quiet hours. It is no contact that
counts in the caps, as nobody knows whether the call was made; how often one is asked for is bounded by the gap of its action.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.units import Channel
from streams.consent import ALL, Refusal, refuses
from streams.features import HOUR
from streams.quiet_hours import is_quiet, quiet_until

if TYPE_CHECKING:
    from schemas.commands import QuietWindow
    from streams.policy import Policy


def is_call(policy: Policy, action: str, channel: Channel) -> bool:
    """Whether it asks somebody to phone the lead: one of the policy's calls, by a channel that reaches only staff."""
    rule = policy.channels.get(channel)
    return action in policy.calls and rule is not None and not rule.contacts_lead


def refuses_calls(policy: Policy, consent: Mapping[str, bool], suppressed: Mapping[Channel, str]) -> Refusal | None:
    """Why the lead may not be phoned; where the policy has no channel `phone`, it may be until it says no."""
    rule = policy.channels.get(Channel.PHONE)
    return refuses(Channel.PHONE, rule.consent if rule else "opt_out", consent, suppressed)


def deadline_by_day(deadline: float, window: QuietWindow) -> float:
    """The same time (epoch seconds), or where it is quiet then, an hour into the next time that is not."""
    at = datetime.fromtimestamp(deadline, UTC)
    return quiet_until(at, window).timestamp() + HOUR if is_quiet(at, window) else deadline


def unwanted(policy: Policy, consent: Mapping[str, bool], suppressed: Mapping[Channel, str]) -> str | None:
    """For people who look after the lead: what it does not want of them; None where nothing is known to stand against it."""
    if consent.get(ALL) is False:
        return "does not want to be contacted"
    if consent.get(Channel.PHONE) is False:
        return "does not want to be phoned"
    refused = refuses_calls(policy, consent, suppressed)
    return f"may not be phoned: {refused.detail}" if refused else None
