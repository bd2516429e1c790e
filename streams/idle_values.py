"""Values of a policy by which nothing ever happens: each is possible by itself, and yet a mistake."""

from collections.abc import Iterator

from streams.findings import Finding
from streams.policy import Policy


def idle_values(policy: Policy) -> Iterator[Finding]:
    """Values by which no lead ever leaves a stage, rises to one, or is known long enough to be lost."""
    stages, episodes, publish = policy.stages, policy.episodes, policy.publish
    if stages.hysteresis >= stages.early_warning:
        what = f"no lead would ever leave early_warning: that is left below {stages.early_warning:g} - {stages.hysteresis:g}"
        yield Finding(("stages", "hysteresis"), what, f"write less than {stages.early_warning:g}, like 0.1")
    lost = episodes.churned_after_silent_days
    if stages.grace_days >= max(lost, 1.0):
        what = f"no lead would ever rise to a stage: after {lost:g} silent days it is lost (episodes.churned_after_silent_days)"
        yield Finding(("stages", "grace_days"), what, "write fewer days")
    if publish.forget_silent_after_days < lost:
        what = (
            f"leads would be forgotten before they count as lost: that is after {lost:g} silent days "
            "(episodes.churned_after_silent_days)"
        )
        yield Finding(("publish", "forget_silent_after_days"), what, f"write {lost:g} or more, like 730")
