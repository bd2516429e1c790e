"""What comes of reading a log: events, and a count of what became of the rows."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.errors import RejectReason
from streams.validate import SKEW_SECONDS


class LoggedEvent(NamedTuple):
    """One message for `lead.events`: when it happened (epoch ms), its key `tenant:lead`, and its JSON.

    `timestamp_ms` is when it was known, where the log says so (`time.known` of a mapping); 0: when it happened.
    """

    at_ms: int
    key: bytes
    value: bytes
    timestamp_ms: int = 0

    @property
    def known_ms(self) -> int:
        """When it was known: not before it happened, but for what a clock that runs ahead dates later than the fold lets pass."""
        known = self.timestamp_ms or self.at_ms
        return max(known, min(self.at_ms, known + round(SKEW_SECONDS * 1000)))


@dataclass
class ReadReport:
    """What became of the rows. Every row is an event, part of a group, skipped or rejected."""

    rows: int = 0
    events: Counter[str] = field(default_factory=Counter)
    """Events by type, custom ones by kind."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Rows left out as the mapping says, by why."""
    rejected: Counter[RejectReason] = field(default_factory=Counter)
    """Whole rows."""
    fields_rejected: Counter[str] = field(default_factory=Counter)
    """Profile fields of rows that became events without them."""
    leads: int = 0
    first_ms: int = 0
    last_ms: int = 0
