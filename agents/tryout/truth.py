"""What the leads of a recorded log really did: the measure of everything that was concluded about them."""

import bisect
from collections import defaultdict
from collections.abc import Iterable
from math import inf

from schemas import events as e
from schemas.events import EVENT
from streams.features import DAY
from streams.policy import Policy
from streams.vocabulary import meaning


class Truth:
    """Signs of life of every lead, and closings.

    Args:
        values: JSON of the events, in time order.
        policy: Says which events are signs of life.
    """

    def __init__(self, values: Iterable[bytes], policy: Policy) -> None:
        """Read them all."""
        self._life: dict[str, list[float]] = defaultdict(list)
        self._closed: dict[str, list[tuple[float, str]]] = defaultdict(list)
        for value in values:
            event = EVENT.validate_json(value)
            if isinstance(event, e.LeadClosed):
                self._closed[event.lead].append((event.at.timestamp(), event.outcome))
            elif isinstance(event, e.Activity) and meaning(event, policy.kinds).key:
                self._life[event.lead].append(event.at.timestamp())

    def leads(self) -> list[str]:
        """All leads that ever showed life."""
        return list(self._life)

    def last_life(self, lead: str, at: float) -> float | None:
        """Newest sign of life before a time."""
        times = self._life[lead]
        i = bisect.bisect_left(times, at)
        return times[i - 1] if i else None

    def is_open(self, lead: str, at: float) -> bool:
        """Not closed before a time."""
        return all(when >= at for when, _ in self._closed.get(lead, ()))

    def first_open(self, leads: Iterable[str]) -> str | None:
        """The first of them that was never closed: of such a lead there is still something to look at."""
        return next((lead for lead in leads if self.is_open(lead, inf)), None)

    def quiet_after(self, lead: str, at: float, days: float, outcomes: frozenset[str] | None) -> bool:
        """Whether it really went quiet within so many days after `at`.

        With `outcomes`: was closed with one of them. Without: gave no sign of life.
        """
        end = at + days * DAY
        if outcomes is not None:
            return any(at < when <= end and outcome in outcomes for when, outcome in self._closed.get(lead, ()))
        times = self._life[lead]
        i = bisect.bisect_right(times, at)
        return not (i < len(times) and times[i] <= end)
