"""What a tenant may spend in a day. Each inbox partition has an equal share, since nothing is shared between partitions.

Leads are spread over partitions by a hash, so the shares are used alike; a share that is left over is not lent to others.
A day is a day on the tenant's clock.

What was spent stands in the records of the leads it was spent on, with the offset of the message that led to it. So a
worker that starts again in the middle of a round knows what had been spent at each offset, whichever leads were already
written down: the same steps are held again.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from schemas.decisions import Rule
from streams.consent import Refusal
from streams.entries import LONGEST_ROUND, Entries, Spent
from streams.record import LeadRecord

KEEP_DAYS = 2
MILLI = 1000
"""Money is added in thousandths of a cent: whole numbers, so the order of adding does not matter."""


def day_of(now: float, zone: str) -> int:
    """The day on the tenant's clock, as a number that rises by one a day."""
    return datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(zone)).toordinal()


def exhausted(spent: int, cost_cents: float, share_cents: float, now: float, zone: str) -> Refusal | None:
    """A refusal until the next day when this cost no longer fits into the share of today; None when it does."""
    if cost_cents == 0 or spent + round(cost_cents * MILLI) <= share_cents * MILLI:
        return None
    local = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(zone))
    midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), local.tzinfo)
    detail = f"{spent / MILLI / 100:,.2f} of today's {share_cents / 100:,.2f} are spent, and this costs {cost_cents / 100:,.2f}"
    return Refusal(Rule.BUDGET, detail, midnight.timestamp())


def note(record: LeadRecord, offset: int, day: int, cost_cents: float) -> None:
    """Write an expense into the lead's record, and drop what nobody can ask for any more."""
    kept = [s for s in record.spent if s.day >= day - KEEP_DAYS or s.offset > offset - LONGEST_ROUND]
    record.spent = [*kept, Spent(offset, day, round(cost_cents * MILLI))]


class Spending:
    """All expenses of a partition's leads, in the order in which they were made."""

    def __init__(self, records: Iterable[tuple[bytes, LeadRecord]]) -> None:
        """Gather what the records say, by `tenant:lead`."""
        self._made = Entries((key, spent.day, spent.offset, spent.milli) for key, r in records for spent in r.spent)

    def until(self, key: bytes, day: int, offset: int) -> int:
        """What the lead's tenant had spent that day up to this offset and lead, in thousandths of a cent."""
        return self._made.until(key, day, offset)

    def add(self, key: bytes, day: int, offset: int, cost_cents: float) -> None:
        """One more; days that are long over are dropped."""
        self._made.add(key, day, offset, round(cost_cents * MILLI))
        self._made.drop(lambda known: known < day - 400)

    def forget(self, key: bytes) -> None:
        """The lead was erased or forgotten, and with it what was spent on it."""
        self._made.forget(key)
