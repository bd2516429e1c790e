"""What one lead adds to the sums of its partition, with the offset of the message: so each sum is known as it was at any message.

Kept in the lead's record; `budget`, `workload` and `blast_radius` ask for the sums (`Entries`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Generic, TypeVar

from msgspec import Struct

LONGEST_ROUND = 100_000
"""Offsets. No round is longer, so what was added further back is known to everybody who starts again."""
Name = TypeVar("Name", int, str)
Value = TypeVar("Value", int, float)
_PLACE = itemgetter(0, 1)


class Spent(Struct, array_like=True, gc=False):
    """What one command cost, where the tenant has a budget: the message's offset, the tenant's day, thousandths of a cent."""

    offset: int
    day: int
    milli: int


class Reached(Struct, array_like=True, gc=False):
    """An action that came up for the lead, where the tenant limits for how many it may: the message's offset, stream time."""

    offset: int
    at: float
    action: str


class Borne(Struct, array_like=True, gc=False):
    """Escalations that a person got (1), or got rid of (-1), by a message: its offset."""

    offset: int
    person: str
    change: int


class Entries(Generic[Name, Value]):
    """What the leads of a partition added, by their tenant and a name (a day, a person, an action), in the order of the messages.

    Asked of a message it says what was so up to it, also to a worker that starts again in the middle of a round.
    """

    def __init__(self, told: Iterable[tuple[bytes, Name, int, Value]]) -> None:
        """Key of the lead (`tenant:lead`), name, offset and value of each, in any order."""
        self._told: defaultdict[tuple[bytes, Name], list[tuple[int, bytes, Value]]] = defaultdict(list)
        for key, name, offset, value in told:
            self._told[_tenant(key), name].append((offset, key, value))
        for each in self._told.values():
            each.sort(key=_PLACE)

    def add(self, key: bytes, name: Name, offset: int, value: Value) -> None:
        """One more."""
        told = self._told[_tenant(key), name]
        told.insert(bisect_right(told, (offset, key), key=_PLACE), (offset, key, value))

    def of(self, key: bytes, name: Name) -> list[tuple[int, bytes, Value]]:
        """Offset, lead and value of all that the lead's tenant has under a name; whoever asks may shorten it."""
        return self._told.get((_tenant(key), name), [])

    def end(self, told: list[tuple[int, bytes, Value]], key: bytes, offset: int) -> int:
        """How many of them were there at this offset, this lead's own included."""
        return bisect_right(told, (offset, key), key=_PLACE)

    def until(self, key: bytes, name: Name, offset: int) -> Value:
        """Their sum up to this offset and lead."""
        told = self.of(key, name)
        return sum(value for *_, value in told[: self.end(told, key, offset)])

    def drop(self, over: Callable[[Name], bool]) -> None:
        """Names that nobody asks for any more."""
        for gone in [at for at in self._told if over(at[1])]:
            del self._told[gone]

    def forget(self, key: bytes) -> None:
        """The lead was erased or forgotten, and with it what it added."""
        for told in self._told.values():
            told[:] = [entry for entry in told if entry[1] != key]


def _tenant(key: bytes) -> bytes:
    return key.split(b":", 1)[0]
