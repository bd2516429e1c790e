"""What a label asks, in words: what counts as going quiet, and of whom it is asked."""

from streams.labels import Label


def quiet_in_words(label: Label) -> str:
    """What counts as going quiet."""
    quiet = "no sign of life" if label.churn == "silence" else f"closed as {' or '.join(sorted(label.closed_as))}"
    gap = f", {label.gap_days:g} days after the snapshot" if label.gap_days else ""
    return f"{quiet} within {label.horizon_days:g} days{gap}"


def who_in_words(label: Label) -> str:
    """Who can be judged."""
    if label.ever_alive:
        return "every lead with a sign of life"
    return f"leads with a sign of life in the last {label.eligible_days:g} days"
