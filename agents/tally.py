"""From what the fold counted to the metrics."""

from collections.abc import Mapping

from agents import metrics
from schemas import topics

COUNTED = {
    "events": metrics.EVENTS,
    "duplicates": metrics.DUPLICATES,
    "skipped": metrics.SKIPPED,
    "rejected": metrics.DEAD_LETTERS,
    "assessed": metrics.ASSESSMENTS,
    "stage": metrics.STAGE_MOVES,
    "decided": metrics.DECISIONS,
    "escalation": metrics.ESCALATIONS,
    "episode": metrics.EPISODES,
    "journey": metrics.JOURNEYS,
    "receipt": metrics.RECEIPTS,
    "looks": metrics.LOOKS,
}
"""What the fold tallies under a name, by the metric that shows it; the rest of the tally's key are the metric's labels."""


def count_tally(tally: Mapping[tuple[str, ...], int]) -> None:
    """Add what a fold counted."""
    for (name, *labels), n in tally.items():
        told = [topics.EVENTS.name, *labels] if name == "rejected" else labels
        if (metric := COUNTED.get(name)) is not None:
            (metric.labels(*told) if told else metric).inc(n)
