"""How far one action reaches: where it would go to more leads of a tenant within a window than the policy says, a person decides.

What goes to few leads an hour, and suddenly to very many, is seldom meant: tracking that broke, an outage, a mapping gone
wrong. So beyond that number each further step waits for a yes, like any other that needs one (`approve`), and expires without.
All leads for which the action has come up count, those that wait too: as long as they are very many, nothing more goes by
itself.

Nothing is shared between partitions, so each has an equal share of the number, at least one. Whom an action reached stands in
the records of the leads, with the offset of the message; so a worker that starts again in the middle of a round comes to the
same decisions (see `budget`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from streams.entries import LONGEST_ROUND, Entries, Reached
from streams.features import HOUR
from streams.record import LeadRecord

if TYPE_CHECKING:
    from streams.rules import Case
    from streams.thresholds import BlastRadius

LONGEST = 168 * HOUR
"""No policy may ask for a longer window."""


class Crowd(NamedTuple):
    """How many other leads an action has come up for within the window, and for how many it may."""

    others: int
    share: int


def crowd_of(case: Case, action: str) -> Crowd | None:
    """Of this partition, up to this message; None where the policy sets no limit."""
    rules = case.policy.approvals.blast_radius
    if rules is None:
        return None
    since = case.now - rules.within_hours * HOUR
    known = case.desk.partition.reach.count(case.key, action, case.desk.offset, since)
    own = any(_within(one, action, since) for one in case.record.reached)
    return Crowd(known - own, max(rules.leads // case.desk.partitions, 1))


def in_words(crowd: Crowd, rules: BlastRadius, action: str) -> str:
    """Why a person has to agree; empty: nobody has to."""
    if crowd.others < crowd.share:
        return ""
    of = f"{crowd.share:,}" if crowd.share == rules.leads else f"{crowd.share:,} here (of {rules.leads:,} in all)"
    return f"{action} came up for {crowd.others:,} other leads within {rules.within_hours:g} h; beyond {of} a person decides"


def note(case: Case, action: str) -> None:
    """The action has come up for this lead: it went out, or waits. A lead counts from its first time within the window."""
    rules = case.policy.approvals.blast_radius
    if rules is None:
        return
    record, offset = case.record, case.desk.offset
    if any(_within(one, action, case.now - rules.within_hours * HOUR) for one in record.reached):
        return
    kept = [one for one in record.reached if one.at > case.now - LONGEST or one.offset > offset - LONGEST_ROUND]
    record.reached = [*kept, Reached(offset, case.now, action)]
    case.desk.partition.reach.add(case.key, record.reached[-1])


def _within(one: Reached, action: str, since: float) -> bool:
    return one.action == action and one.at > since


class Reach:
    """For which leads of a partition each action has come up, in order."""

    def __init__(self, records: Iterable[tuple[bytes, LeadRecord]]) -> None:
        """Gather what the records say, by `tenant:lead`."""
        self._told = Entries((key, one.action, one.offset, one.at) for key, r in records for one in r.reached)

    def count(self, key: bytes, action: str, offset: int, since: float) -> int:
        """Leads of this lead's tenant since then (epoch seconds), up to this offset and lead. Stream time never goes back."""
        told = self._told.of(key, action)
        return max(self._told.end(told, key, offset) - bisect_right(told, since, key=itemgetter(2)), 0)

    def add(self, key: bytes, one: Reached) -> None:
        """One more; what no window can see any more is dropped."""
        self._told.add(key, one.action, one.offset, one.at)
        told = self._told.of(key, one.action)
        del told[: bisect_right(told, one.at - LONGEST, key=itemgetter(2))]

    def forget(self, key: bytes) -> None:
        """The lead was erased or forgotten."""
        self._told.forget(key)
