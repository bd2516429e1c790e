"""When a record came to the broker."""

from agents.rounds import Fetched

SENT_HEADER = "leadkeeper.sent"
"""Unix time in ms at which a replay sent the record; its timestamp is the event's own time there."""


def arrived(record: Fetched, *, live: bool) -> float | None:
    """Unix time at which the record came to the broker, as far as it says so; a replay's own timestamps do not."""
    for name, value in record.headers:
        if name == SENT_HEADER:
            return int(value) / 1000
    return float(record.timestamp) / 1000 if live else None
