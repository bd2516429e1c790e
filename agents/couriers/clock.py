"""What time it is for a courier: the wall clock when live, the command's own time in a replay.

In a replay of last year's log, quiet hours and deadlines are judged as of last year, and receipts carry last year's
time. A wait for a provider is a real one in both modes: the provider needs it. It then *counts* as the time that was
planned, so that the same log gives the same receipts.
"""

from datetime import UTC, datetime

from agents.settings import ClockMode
from schemas.commands import Command
from schemas.ledger import LedgerEntry


def utc_now() -> datetime:
    """The wall clock. The only place in the couriers that reads it."""
    return datetime.now(UTC)


class CourierClock:
    """The time by which commands are judged.

    Args:
        mode: `wall` or `event`.
    """

    def __init__(self, mode: ClockMode) -> None:
        """Choose the clock."""
        self.mode = mode

    def now(self, command: Command, entry: LedgerEntry | None = None) -> datetime:
        """When it is for a command: live the wall clock, in a replay its own `at` or the instant it waited for."""
        if self.mode == "wall":
            return utc_now()
        if entry is not None and entry.retry_at is not None:
            return max(command.at, entry.retry_at)
        return command.at if entry is None else max(command.at, entry.at)

    def due(self, entry: LedgerEntry) -> datetime:
        """When, by the wall clock, a waiting entry is to be looked at again.

        In a replay that is after as much real time as the wait was long, counted from now on.
        """
        assert entry.retry_at is not None, f"{entry.id}: does not wait"
        return entry.retry_at if self.mode == "wall" else utc_now() + (entry.retry_at - entry.at)
