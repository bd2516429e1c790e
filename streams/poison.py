"""A record that ends the process which folds it: found by smaller and smaller pieces, then dead-lettered like any other bad one.

What was in hand when a process ended is folded again in pieces, and what was in hand at the next end in smaller ones, down to
a single record. That one has ended as many processes as are allowed, and is not folded any more. A process that ended for
another reason costs its round some smaller pieces, and nothing else.
"""

from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

from schemas.errors import Rejected, RejectReason
from streams.lead import dead_letter
from streams.partition import Folded, Message, Partition


class InHand(NamedTuple):
    """Offsets from `begin` to before `end`, and how many processes have ended while they folded all of them."""

    begin: int
    end: int
    crashes: int = 0


def crashed(in_hand: InHand) -> InHand:
    """The same after one more process ended."""
    return in_hand._replace(crashes=in_hand.crashes + 1)


def is_poison(in_hand: InHand, limit: int) -> bool:
    """Whether it is known which record it is, and `limit` (at least 1) processes have ended by it."""
    return in_hand.end - in_hand.begin == 1 and in_hand.crashes >= limit


def pieces(begin: int, end: int, suspected: InHand | None, limit: int) -> Iterator[InHand]:
    """Cut the offsets from `begin` to before `end` into what is to be folded at a time: in order, all of them, once.

    Each piece of the suspected offsets inherits their crashes, but none is poison before it was in hand alone. It is so
    small that with `limit` crashes in all a single record is left: 4,000 become 63 of 64, and those 64 of 1, for a limit of 3.
    """
    if suspected is None or suspected.end <= begin or suspected.begin >= end:
        yield InHand(begin, end)
        return
    first, last = max(begin, suspected.begin), min(end, suspected.end)
    if begin < first:
        yield InHand(begin, first)
    step = _step(suspected, limit)
    crashes = suspected.crashes if suspected.end - suspected.begin == 1 else min(suspected.crashes, limit - 1)
    for start in range(first, last, step):
        yield InHand(start, min(start + step, last), crashes)
    if last < end:
        yield InHand(last, end)


def _step(suspected: InHand, limit: int) -> int:
    """Records in a piece: of the crashes that are left, each divides by the same, and before the last there is one record."""
    left = limit - suspected.crashes
    return 1 if left <= 1 else ceil((suspected.end - suspected.begin) ** ((left - 1) / left))


def condemn(partition: Partition, message: Message) -> Folded:
    """Dead-letter it instead of folding it; says the same each time, so that a repetition is one."""
    done = Folded()
    if message.offset <= partition.state.applied:
        done.tally["skipped", "applied"] += 1
        return done
    rejected = Rejected(
        RejectReason.CRASH,
        "value",
        "each process that folded it ended",
        "find the cause in the workers' log and repair this build, then redrive",
    )
    done.outputs.append(dead_letter(partition.number, message, rejected))
    done.rejected.append(message.offset)
    done.tally["rejected", rejected.reason] += 1
    partition.state.applied = message.offset
    return done
