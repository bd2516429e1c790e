"""When to try a refused delivery again, and when to give up.

Delays grow exponentially up to a cap. Their jitter comes from the intervention's id and the attempt instead of chance:
a replay plans the same instants, and commands that failed together still come back apart.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from schemas.units import Channel


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How patient a channel is.

    Attributes:
        attempts: Calls to the provider at most, the first one included.
        first: Longest delay after the first refusal; doubles with each further one.
        cap: Longest delay of all.
    """

    attempts: int
    first: timedelta
    cap: timedelta


def _rule(attempts: int, first_s: float, cap_s: float) -> RetryRule:
    return RetryRule(attempts, timedelta(seconds=first_s), timedelta(seconds=cap_s))


RETRY_RULES: dict[Channel, RetryRule] = {
    # Four: servers that greylist refuse a stranger's first call for about five minutes (RFC 6647, section 5).
    Channel.EMAIL: _rule(4, 60, 1800),
    Channel.SMS: _rule(3, 30, 600),
    Channel.PHONE: _rule(1, 60, 60),
    Channel.PUSH: _rule(3, 10, 300),
    Channel.IN_APP: _rule(6, 5, 300),
    Channel.AGENT_ALERT: _rule(6, 5, 60),
    Channel.CRM_WORKFLOW: _rule(4, 30, 900),
    Channel.CRM_TASK: _rule(4, 30, 900),
    Channel.WEBHOOK: _rule(8, 5, 3600),
}
"""Ours; the command's deadline usually ends it sooner."""


def jitter(intervention: str, attempt: int) -> float:
    """A factor in [0.5, 1), the same whenever the same attempt is planned."""
    digest = blake2b(f"{intervention}:{attempt}".encode(), digest_size=8).digest()
    return 0.5 + int.from_bytes(digest, "big") / 2**65


def delay(rule: RetryRule, intervention: str, attempt: int) -> timedelta:
    """The wait after refusal number n = `attempt` (from 1): between half and all of min(cap, first * 2^(n-1))."""
    doublings = min(attempt - 1, 32)  # beyond this any cap is reached, and timedelta overflows
    longest: timedelta = min(rule.first * 2.0**doublings, rule.cap)
    return longest * jitter(intervention, attempt)


def next_attempt(
    intervention: str,
    attempt: int,
    now: datetime,
    deadline: datetime,
    rule: RetryRule,
    retry_after: timedelta | None = None,
) -> datetime | None:
    """When to call again after refusal number `attempt`, or None when there is no chance left.

    Laws: never sooner than the provider asked for (`retry_after`); always before the deadline; None once the rule's
    attempts are used up; the same arguments give the same instant.

    Args:
        intervention: Its id.
        attempt: Calls made so far, at least 1.
        now: When the refusal came.
        deadline: The command's: at or after it nothing is sent.
        rule: The channel's.
        retry_after: What the provider said, if it did.
    """
    if attempt < 1:
        raise ValueError(f"attempt={attempt}: there is nothing to repeat before the first call")
    if attempt >= rule.attempts:
        return None
    wait = delay(rule, intervention, attempt)
    at = now + (wait if retry_after is None else max(wait, retry_after))
    return at if at < deadline else None
