"""Turns: rounds, recovery and periodic work of a lane, strictly one after another.

Law 4 lives here: nothing escapes an agent. Stock Faust acks the record whose handler raised, and so loses it; here an
exception ends the process before anything of its round can be committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from agents.rounds import Round, RoundHandler
from agents.safety import ExitCode, die

if TYPE_CHECKING:
    from agents.lane import Lane

logger = logging.getLogger(__name__)

Work = Callable[[Round, "Lane"], Awaitable[None]]


class Turns:
    """Gives the handler its turns. At most one round is handed over at a time; the next gathers meanwhile.

    Args:
        lane: The lane served.
        handler: The job.
    """

    def __init__(self, lane: Lane, handler: RoundHandler) -> None:
        """Start with nothing recovered."""
        self._lane, self._handler = lane, handler
        self._turn = asyncio.Lock()
        self._handed: Round | None = None
        self._settled = False
        self._settling: asyncio.Task[Any] | None = None
        self._served: frozenset[TopicPartition] = frozenset()
        self._began = 0.0
        self._later: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = asyncio.Event()

    def hand_over(self) -> None:
        """Send what waits to the agent, unless it still has a round or had one a moment ago."""
        lane = self._lane
        if self._handed is not None or self._later is not None or not lane.flow_active:
            return
        if self._settled and not lane.waiting:
            return
        loop = asyncio.get_running_loop()
        pause = self._began + lane.settings.min_round_spacing_ms / 1000 - loop.time()
        if pause > 0 and lane.waiting < lane.settings.max_records:
            self._later = loop.call_later(pause, self._hand_over_now)
        else:
            self._hand_over_now()

    def _hand_over_now(self) -> None:
        self._later = None
        lane = self._lane
        if self._handed is None and lane.flow_active:
            self._began = asyncio.get_running_loop().time()
            self._handed = Round(lane.generation, lane.take())
            self.spawn(lane.rounds.put(self._handed))

    async def run(self, round_: Round) -> None:
        """Work on a round that came through the channel. Goes on to its end even if Faust cancels the agent."""
        await asyncio.shield(self.spawn(self._take(round_, self._handler.process)))

    @property
    def settled(self) -> bool:
        """Whether the state of all owned partitions was read back, and none of them is on the move."""
        return self._settled and self._lane.flow_active

    @property
    def busy(self) -> bool:
        """Whether a round is handed over or being worked on."""
        return self._handed is not None

    def every(self, seconds: float, work: Work) -> None:
        """Give ``work`` a turn every so many seconds, once the partitions are recovered."""

        async def repeat() -> None:
            while not self._stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), seconds)
                if self._settled and self._lane.flow_active and not self._stopping.is_set():
                    await self._take(Round(self._lane.generation, {}), work)

        self.spawn(repeat())

    def unsettle(self) -> None:
        """Recover all owned partitions before the next round: a new generation began."""
        self._settled = False

    def withdraw(self) -> None:
        """Take back a round that has not begun: its partitions are about to move."""
        self._handed = None
        if self._later is not None:
            self._later.cancel()
            self._later = None

    async def quiet(self) -> None:
        """Return when no turn runs. A recovery is cancelled: it only reads, and it can start again."""
        if self._settling is not None:
            self._settling.cancel()
        async with self._turn:
            pass

    def stop(self) -> None:
        """Begin no more periodic work. What runs goes on to its end."""
        self._stopping.set()

    async def _take(self, round_: Round, work: Work) -> None:
        async with self._turn:
            try:
                if await self._ready(round_):
                    await self._work(round_, work)
            except Exception as error:
                logger.exception("a turn failed")
                die(ExitCode.WRITE_FAILED, f"a turn failed, nothing of it is committed: {error!r}")
            finally:
                if self._handed is round_:
                    self._handed = None
        self.hand_over()

    async def _ready(self, round_: Round) -> bool:
        """Recover if a generation began, and say whether the round is still to be done."""
        stale = bool(round_.batches) and round_ is not self._handed
        if stale or not self._lane.flow_active:
            self._lane.stats.dropped_stale += stale
            return False
        if not self._settled:
            self._settling = asyncio.current_task()
            try:
                await self._settle()
            except asyncio.CancelledError:
                return False
            finally:
                self._settling = None
        return self._lane.still_owner(round_)

    async def _settle(self) -> None:
        lane = self._lane
        owned = lane.owned()
        if lost := self._served - owned:
            await self._handler.on_revoked(lost)
        self._served = owned
        began = asyncio.get_running_loop().time()
        await self._handler.on_assigned(owned)
        lane.stats.recovery_s += asyncio.get_running_loop().time() - began
        self._settled = True

    async def _work(self, round_: Round, work: Work) -> None:
        lane = self._lane
        if not round_.batches and work == self._handler.process:
            return
        await work(round_, lane)
        if not lane.still_owner(round_):
            lane.stats.dropped_stale += 1
            await self._handler.on_abandoned(frozenset(round_.batches) or self._served)
            return
        lane.finish(round_)
        if round_.batches:
            lane.stats.rounds += 1
            lane.stats.records += round_.size

    def spawn(self, coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine and keep it from being collected."""
        task = asyncio.get_running_loop().create_task(coro)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
