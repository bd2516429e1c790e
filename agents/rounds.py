"""The nouns of the lane: a round, its settings, its figures, and what a job has to provide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from aiokafka import TopicPartition

from agents.broker import BrokerFlavour

if TYPE_CHECKING:
    from agents.lane import Lane


class Fetched(Protocol):
    """A record as aiokafka reads it out of a batch, before it would make a `ConsumerRecord` of it."""

    @property
    def offset(self) -> int:
        """In its partition."""

    @property
    def timestamp(self) -> int:
        """Unix time in ms; -1 = none."""

    @property
    def key(self) -> bytes | None:
        """Key bytes."""

    @property
    def value(self) -> bytes | None:
        """Value bytes."""

    @property
    def headers(self) -> Iterable[tuple[str, bytes]]:
        """Header pairs."""


@dataclass(frozen=True, slots=True)
class Round:
    """The unit of work: what was fetched on all owned partitions since the last one.

    Attributes:
        generation: The group generation it was fetched in; a round of an older one must not write.
        batches: Per partition, contiguous records in offset order. Empty on a turn of periodic work.
    """

    generation: int
    batches: dict[TopicPartition, list[Fetched]]

    @property
    def size(self) -> int:
        """Number of records."""
        return sum(map(len, self.batches.values()))


class RoundHandler(Protocol):
    """What a job provides. Nothing here ever runs beside anything else here: all of it takes turns."""

    async def setup(self, lane: Lane) -> None:
        """Start what the job owns (writer, changelog), register periodic work; before anything else."""

    async def on_assigned(self, tps: frozenset[TopicPartition]) -> None:
        """Recover the state of all partitions now owned, also those held before; before their first round.

        May be cancelled by a rebalance and is then called again.
        """

    async def process(self, round_: Round, lane: Lane) -> None:
        """Guard → fold → outputs acknowledged → ``lane.still_owner`` → changelog acknowledged → return (law 2).

        Returning makes the round's offsets committable. An exception ends the process with nothing committed.
        """

    async def on_abandoned(self, tps: frozenset[TopicPartition]) -> None:
        """Forget the in-memory state of these: their round was dropped half-way by a rebalance."""

    async def on_revoked(self, tps: frozenset[TopicPartition]) -> None:
        """Note that these now belong to somebody else; what is known may be kept for their return."""

    async def teardown(self) -> None:
        """Stop what ``setup`` started."""


@dataclass(frozen=True)
class LaneSettings:
    """How a lane reads. Times in seconds unless the name says otherwise; None = the broker's default.

    Attributes:
        bootstrap: ``host:port[,host:port]``.
        group: Consumer group, also the Faust app's id.
        client_id: Name in the broker's logs.
        session_timeout_s: Without heartbeat for this long the partitions are given away. Half of it is the lease.
        heartbeat_s: Between heartbeats; None = a fifth of the session timeout, at most 3 s.
        rebalance_timeout_s: Longest time a member may take to rejoin; a round in flight gets half of it to finish.
        fetch_max_wait_ms: Longest wait of a fetch without data.
        idempotent: Whether producers use producer ids.
        max_records: Most records in a round, and most that wait while one runs (backpressure, law 9).
        min_round_spacing_ms: Shortest time from the start of a round to the next. Tiny rounds cost about 2 ms of CPU
            each; a few ms more latency save most of that when traffic is thin.
        commit_interval_s: Between commits of done offsets.
        gappy_topics: Input topics with holes in their offsets by design: compacted, or written in transactions. The
            contiguity law follows the fetcher's own position there.
        isolation: ``read_committed`` where the broker has transactions: what was aborted is never read.
        stuck_s: Watchdog: longest time with lag and without progress.
        drain_s: Longest time a stop may take (SIGTERM) before the process is ended hard.
    """

    bootstrap: str
    group: str
    client_id: str = "leadkeeper"
    session_timeout_s: float | None = None
    heartbeat_s: float | None = None
    rebalance_timeout_s: float = 60.0
    fetch_max_wait_ms: int | None = None
    idempotent: bool | None = None
    max_records: int = 4000
    min_round_spacing_ms: float = 2.0
    commit_interval_s: float = 1.0
    gappy_topics: frozenset[str] = frozenset()
    isolation: str = "read_uncommitted"
    stuck_s: float = 120.0
    drain_s: float = 25.0

    def on(self, flavour: BrokerFlavour) -> LaneSettings:
        """Return these settings with every None filled in for a broker."""
        session = self.session_timeout_s or flavour.session_timeout_s
        return replace(
            self,
            session_timeout_s=session,
            heartbeat_s=self.heartbeat_s or min(3.0, session / 5),
            fetch_max_wait_ms=self.fetch_max_wait_ms or flavour.fetch_max_wait_ms,
            idempotent=flavour.idempotent if self.idempotent is None else self.idempotent,
            isolation=flavour.isolation,
        )

    @property
    def session_s(self) -> float:
        """The session timeout, filled in.

        Raises:
            ValueError: It is still None.
        """
        if self.session_timeout_s is None:
            raise ValueError("session_timeout_s: not filled in; use settings.on(await probe(bootstrap))")
        return self.session_timeout_s


@dataclass
class LaneStats:
    """What the lane has seen; metrics read it.

    Attributes:
        rewinds: Gaps that were fetched again (law 1). A few after rebalances are normal.
        data_loss: Offsets that retention deleted before they were read. Always an alarm.
        holes: Offsets that the broker, asked again, does not have: control records or compaction.
        rounds: Rounds finished.
        records: Records in them.
        dropped_stale: Rounds dropped because the generation had changed.
        recovery_s: Seconds spent in ``on_assigned``, all generations together.
        generations: Assignments seen.
        commits: Commits that the broker took.
        last_commit: Unix time of the last one; 0 = none yet.
        lag: Per owned partition, records between the last finished one and the end of the log.
        paused: Owned partitions that are not delivered (breaker).
    """

    rewinds: int = 0
    data_loss: int = 0
    holes: int = 0
    rounds: int = 0
    records: int = 0
    dropped_stale: int = 0
    recovery_s: float = 0.0
    generations: int = 0
    commits: int = 0
    last_commit: float = 0.0
    lag: dict[TopicPartition, int] = field(default_factory=dict)
    paused: set[TopicPartition] = field(default_factory=set)
