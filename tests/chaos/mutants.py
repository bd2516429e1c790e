"""The product with one of its safeguards taken out. Each must be caught by some fault, or the fault tests are blind.

Every mutant works as long as nothing goes wrong; that is what makes it dangerous.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiokafka import TopicPartition

from agents.contiguity import Contiguity
from agents.couriers.journal import Journal
from agents.couriers.ledger import Ledger
from agents.lead import LeadJob
from agents.notes import Note
from agents.rounds import Fetched
from agents.safety import Lease
from agents.table import Changelog
from agents.turns import Turns
from agents.writer import Out, Record
from schemas.ledger import LedgerState
from streams.partition import Partition
from tests.faults.stock import stock_consumer


def no_changelog_barrier(_: str) -> None:
    """State is sent, but nobody waits for the broker to have it, as with Faust's own tables."""
    write = Changelog.write
    turns: list[Turns] = []
    init = Turns.__init__

    def remember(self: Turns, *args: Any) -> None:
        init(self, *args)
        turns.append(self)

    async def send(self: Changelog, *args: Any) -> None:
        turns[0].spawn(write(self, *args))

    Turns.__init__ = remember  # type: ignore[method-assign, assignment]
    Changelog.write = send  # type: ignore[method-assign, assignment]


def state_before_outputs(_: str) -> None:
    """The state is durable before what follows from it is published."""
    setup = LeadJob.setup

    async def swapped(self: LeadJob, lane: Any) -> None:
        await setup(self, lane)
        produce, write = self._writer.produce, self._changelog.write
        held: list[Record] = []

        async def later(records: Iterable[Record], last: Iterable[Record] = ()) -> Any:
            records, last = list(records), list(last)
            if any(record[0] == self._changelog.topic for record in [*records, *last]):
                return await produce(records, last)
            held.extend(records)
            return {}

        async def first(
            records: Mapping[int, Iterable[Record]], last: Mapping[int, Iterable[Record]] | None = None
        ) -> None:
            await write(records, last)
            out, held[:] = list(held), []
            await produce(out)

        self._writer.produce = later  # type: ignore[method-assign]
        self._changelog.write = first  # type: ignore[method-assign]

    LeadJob.setup = swapped  # type: ignore[method-assign]


def no_offset_guard(_: str) -> None:
    """What is read back does not say up to where it was applied."""
    restore = Partition.restore

    def forgetful(self: Partition, records: Iterable[tuple[bytes, bytes | None, int]]) -> None:
        restore(self, records)
        self.state.applied = -1
        self.table.rows["guard"] = -1

    Partition.restore = forgetful  # type: ignore[method-assign]


def no_gap_guard(_: str) -> None:
    """Whatever the fetcher brings is delivered."""

    async def anything(self: Contiguity, tp: TopicPartition, batch: list[Fetched]) -> list[Fetched]:
        return [record for record in batch if record.offset >= self.expect.get(tp, 0)]

    async def nothing(*_: Any) -> None:
        """Where the fetcher stands is not looked at either."""

    Contiguity._sift = anything  # type: ignore[method-assign]
    Contiguity.pass_over = nothing  # type: ignore[method-assign, assignment]


def no_claimed(_: str) -> None:
    """The provider is called without a word in the ledger."""
    write = Journal.write

    async def all_but_claims(self: Journal, records: Iterable[Out]) -> None:
        kept = [r for r in records if f'"state":"{LedgerState.CLAIMED}"'.encode() not in (r.value or b"")]
        if kept:
            await write(self, kept)

    Journal.write = all_but_claims  # type: ignore[method-assign]


def redis_only_ledger(_: str) -> None:
    """The ledger is written, but after a restart only Redis is asked."""
    Ledger.apply = lambda *_: None  # type: ignore[method-assign]


def lease_off(_: str) -> None:
    """A process that was paused for longer than its session goes on where it stopped."""

    async def granted(_: Lease) -> None:
        """Always."""

    Lease.check = lambda _: None  # type: ignore[method-assign, assignment]
    Lease.permit = granted  # type: ignore[method-assign, assignment]


def no_crash_notes(_: str) -> None:
    """Nobody writes down what is being folded."""
    Note.write = lambda *_: None  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[str], None]] = {
    "stock-consumer": stock_consumer,
    "no-changelog-barrier": no_changelog_barrier,
    "state-before-outputs": state_before_outputs,
    "no-offset-guard": no_offset_guard,
    "no-gap-guard": no_gap_guard,
    "no-claimed": no_claimed,
    "redis-only-ledger": redis_only_ledger,
    "lease-off": lease_off,
    "no-crash-notes": no_crash_notes,
}
"""By the name under which `tests.faults.troubled` puts them in."""
