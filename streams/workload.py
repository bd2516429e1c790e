"""How many escalations each person has, as far as one inbox partition can know: of the leads on it.

A fold knows its own partition only. So a limit on what a person may have is divided by the number of partitions, like the
budget: leads are spread by a hash, and the shares are burdened alike. What a person has stands in the records of the leads,
with the offset of the message that changed it; so a worker that starts again in the middle of a round knows what was so at
each offset, and comes to the same people (see `budget`).
"""

from collections import Counter
from collections.abc import Iterable

from streams.entries import LONGEST_ROUND, Borne, Entries
from streams.record import LeadRecord


def note(record: LeadRecord, offset: int) -> list[Borne]:
    """Write into the lead's record what has changed since it was last written; what is long settled is dropped."""
    known: Counter[str] = Counter()
    for one in record.borne:
        known[one.person] += one.change
    now = record.carried()
    changed = [
        Borne(offset, person, now[person] - known[person])
        for person in sorted(known.keys() | now.keys())
        if now[person] != known[person]
    ]
    if changed or record.borne:
        record.borne = _without_settled([*record.borne, *changed], offset - LONGEST_ROUND)
    return changed


def _without_settled(borne: list[Borne], before: int) -> list[Borne]:
    """Changes up to an offset are added up: nobody asks what was so before it."""
    old: dict[str, Borne] = {}
    for one in borne:
        if one.offset <= before:
            so_far = old.get(one.person)
            old[one.person] = Borne(one.offset, one.person, one.change + (so_far.change if so_far else 0))
    return [*(one for one in old.values() if one.change), *(one for one in borne if one.offset > before)]


class Workload:
    """All that people of a partition's tenants got and got rid of, in order."""

    def __init__(self, records: Iterable[tuple[bytes, LeadRecord]]) -> None:
        """Gather what the records say, by `tenant:lead`."""
        self._changes = Entries((key, one.person, one.offset, one.change) for key, r in records for one in r.borne)

    def add(self, key: bytes, changes: Iterable[Borne]) -> None:
        """What has changed for a lead."""
        for one in changes:
            self._changes.add(key, one.person, one.offset, one.change)

    def until(self, key: bytes, person: str, offset: int) -> int:
        """How many a person of the lead's tenant had up to this offset and lead."""
        return self._changes.until(key, person, offset)

    def forget(self, key: bytes) -> None:
        """The lead was erased or forgotten, and its escalations with it."""
        self._changes.forget(key)
