"""How a journey goes, measured from what was published of it: who gets through a stage, and how long that takes."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import sqrt
from statistics import median
from typing import Any, NamedTuple

ENOUGH = 30
"""Leads that must have settled before a share is told: with 30 the 95 % interval is at most 17 points to either side."""
Z = 1.959964
"""Standard deviations to either side that hold 95 % of a normal distribution."""


class Success(NamedTuple):
    """Of so many leads that settled in a stage, so many got through; share and its 95 % interval where they are enough."""

    through: int
    settled: int
    share: float | None
    low: float
    high: float


@dataclass
class Passage:
    """One stay of a lead in a stage; it settles by leaving, or by getting stuck."""

    end: str = ""
    days: float | None = None


@dataclass
class Progress:
    """All stays in the stages of journeys, by journey and stage, then by lead and when it entered."""

    stays: dict[tuple[str, str], dict[tuple[str, str], Passage]] = field(default_factory=dict)
    order: dict[tuple[str, str], int] = field(default_factory=dict)
    """Where each stage stands in its journey, as told last; 0: only ever left."""

    def take(self, told: Iterable[Mapping[str, Any]]) -> None:
        """Take messages `journey_progressed` in, in order; one that comes twice changes nothing."""
        for one in told:
            if left := one["left"]:
                stay = self._stay(one, left)
                stay.end, stay.days = one["change"], left["days"]
            here = self._stay(one, one)
            self.order[one["journey"], one["stage"]] = one["order"]
            if one["change"] == "stalled" and not here.end:
                here.end = "stalled"

    def _stay(self, one: Mapping[str, Any], where: Mapping[str, Any]) -> Passage:
        stays = self.stays.setdefault((one["journey"], where["stage"]), {})
        entered = datetime.fromisoformat(where["entered_at"]).isoformat()
        return stays.setdefault((f"{one['tenant']}:{one['lead']}", entered), Passage())

    def counts(self, journey: str, stage: str) -> Counter[str]:
        """How many stays there were, by how they ended; under an empty name those that have not."""
        return Counter(stay.end for stay in self.stays.get((journey, stage), {}).values())

    def success(self, journey: str, stage: str) -> Success:
        """Who got through the stage, among those who left it either way or are stuck in it; who is on the way does not count."""
        counts = self.counts(journey, stage)
        return success_of(counts["moved_on"], counts.total() - counts[""])

    def usual_days(self, journey: str, stage: str) -> float | None:
        """The median of the days that it took those who got through."""
        stays = self.stays.get((journey, stage), {}).values()
        days = [stay.days for stay in stays if stay.end == "moved_on" and stay.days is not None]
        return median(days) if days else None


def success_of(through: int, settled: int) -> Success:
    """What so many of so many tell."""
    return Success(through, settled, through / settled if settled >= ENOUGH else None, *wilson(through, settled))


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson, Journal of the American Statistical Association 22, 1927); 0 to 1 for none."""
    if not n:
        return 0.0, 1.0
    p, z2 = hits / n, Z * Z
    middle, half = (p + z2 / (2 * n)) / (1 + z2 / n), Z * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def success_in_words(found: Success, estimate: float | None, source: str | None) -> str:
    """What is known of the chance to get through a stage; where the log cannot tell, that is said, and what the policy states."""
    if found.share is not None:
        interval = f"95 % between {found.low:.0%} and {found.high:.0%}"
        return f"{found.share:.0%}: {found.through} of {found.settled} that settled got through ({interval})"
    few = f"not enough data: {found.settled} settled in this stage, {ENOUGH} are needed"
    return few if estimate is None else f"{few}; the policy states {estimate:.0%} ({source})"
