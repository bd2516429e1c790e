"""Who is asked to step in: the first of the chain who is at work and has room, as far as this partition knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from streams.thresholds import WorkingHours
from streams.working_hours import at_work

if TYPE_CHECKING:
    from streams.rules import Case


class Person(NamedTuple):
    """One of the chain, and when they are at work; None: always."""

    name: str
    hours: WorkingHours | None


class Asked(NamedTuple):
    """Who is asked, and in words why not who comes before in the chain."""

    person: Person
    passed_over: str
    full: bool
    """They have as many as they may, and so has everybody else."""


def chain_of(case: Case) -> list[Person]:
    """Who may be asked, in order: names, with owner and manager read from the lead's profile."""
    rules, profile = case.policy.escalation, case.record.profile
    own = {"owner": profile.owner, "manager": profile.manager}
    people: dict[str, Person] = {}
    for role in (*rules.chain, rules.target):
        name = own.get(role, role)
        if name and name not in people:
            people[name] = Person(name, rules.hours.get(name) or rules.hours.get(role) or rules.working_hours)
    return list(people.values())


def choose(case: Case, people: Sequence[Person]) -> Asked:
    """The first at work who has room, else the first who has room, else whoever has least.

    Args:
        case: The lead.
        people: At least one, in the order in which they would be asked.
    """
    quiet = case.policy.quiet_hours
    there = [at_work(case.now, person.hours, quiet.timezone, quiet.holidays) for person in people]
    loads = [_load(case, person.name) for person in people]
    room = _room(case)
    free = [room is None or load < room for load in loads]
    best = min(range(len(people)), key=lambda i: (not free[i], not there[i] if free[i] else loads[i], i))
    words = [
        f"{person.name} has {loads[i]} open" if not free[i] else f"{person.name} is not at work"
        for i, person in enumerate(people[:best])
    ]
    return Asked(people[best], ", ".join(words), not free[best])


def _room(case: Case) -> int | None:
    """How many a person may have of this partition's leads."""
    most = case.policy.escalation.most_open
    return None if most is None else max(most // case.desk.partitions, 1)


def _load(case: Case, person: str) -> int:
    """Of the partition's leads up to this message; what this case has changed is not written down yet."""
    if case.policy.escalation.most_open is None:
        return 0
    own = case.record.carried()[person] - sum(b.change for b in case.record.borne if b.person == person)
    return case.desk.partition.workload.until(case.key, person, case.desk.offset) + own
