"""The dead-letter breaker: a bad deploy must not drain a topic into its dead-letter topic (law 6)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


class DlqBreaker:
    """Counts rejected records of one partition and says when to stop it.

    Trips on ``run`` rejected records in a row, or when more than ``share`` of the last ``window`` were rejected.
    With fewer than ``window`` records seen only the first rule applies: 1 of 10 says nothing yet. Stays tripped until a
    new one takes its place (a restart, or an operator's command).

    Args:
        window: Records looked back upon.
        share: Tolerated share of rejected ones, in [0, 1].
        run: Rejected records in a row that trip it.
    """

    def __init__(self, window: int = 1000, share: float = 0.05, run: int = 50) -> None:
        """Start closed, with nothing seen."""
        if window < 1 or run < 1 or not 0 <= share <= 1:
            raise ValueError(f"window={window}, run={run}: at least 1; share={share}: within [0, 1]")
        self.tripped = False
        self._window, self._run = window, run
        self._tolerated = share * window
        self._last: deque[bool] = deque(maxlen=window)
        self._rejected = 0
        self._in_a_row = 0

    def add(self, rejected: bool) -> bool:  # noqa: FBT001  # the one thing it is told
        """Count one record.

        Args:
            rejected: Whether it went to the dead-letter topic.

        Returns:
            Whether the breaker is tripped now.
        """
        if len(self._last) == self._window:
            self._rejected -= self._last[0]
        self._last.append(rejected)
        self._rejected += rejected
        self._in_a_row = self._in_a_row + 1 if rejected else 0
        full = len(self._last) == self._window
        if self._in_a_row >= self._run or (full and self._rejected > self._tolerated):
            self.tripped = True
        return self.tripped

    def add_all(self, rejected: Sequence[bool]) -> bool:
        """Count records in order; at once where nothing was rejected, as is usual."""
        if self._rejected or any(rejected):
            for one in rejected:
                self.add(one)
        else:
            self._last.extend(rejected)
            self._in_a_row = 0
        return self.tripped
