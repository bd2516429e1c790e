"""A churn episode: opens with the first stage, closes with recovery, conversion, churn or expiry. Savings count once per episode."""

from typing import Literal

from streams.features import DAY
from streams.record import Episode
from streams.thresholds import Episodes

End = Literal["re_engaged", "converted", "churned", "expired"]


def ending(episode: Episode, rules: Episodes, *, stage: int, last_key: float, now: float) -> End | None:
    """How the episode ends now by itself, or None while it goes on. Conversions and closings end it from outside.

    Args:
        episode: the open one.
        rules: of the policy.
        stage: index into `stage.ORDER` now; 0 is none.
        last_key: newest sign of life of the lead, epoch seconds.
        now: stream time.
    """
    if stage == 0:
        return "re_engaged" if last_key >= episode.opened else "expired"
    if now >= churned_at(episode, rules, last_key):
        return "churned"
    if now >= episode.opened + rules.expires_after_days * DAY:
        return "expired"
    return None


def churned_at(episode: Episode, rules: Episodes, last_key: float) -> float:
    """When silence has lasted so long that the lead counts as lost; never before the episode is a day old."""
    return max(last_key + rules.churned_after_silent_days * DAY, episode.opened + DAY)


def ends_at(episode: Episode, rules: Episodes, last_key: float) -> float:
    """The latest time at which a tick has to look at the episode."""
    return min(churned_at(episode, rules, last_key), episode.opened + rules.expires_after_days * DAY)
