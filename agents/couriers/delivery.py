"""One command on its way: decide, claim, pass the fence, call, record, tell. What is decided: `streams.deliver`."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from redis.exceptions import RedisError

from agents.channels.base import Channel
from agents.channels.templates import Templates, UnrenderableError
from agents.couriers.clock import CourierClock, utc_now
from agents.couriers.fence import Fence
from agents.couriers.intake import Backlog
from agents.couriers.journal import Journal
from agents.couriers.ledger import Ledger
from agents.couriers.stats import CourierStats
from agents.writer import Out
from schemas.commands import Command, DeliverIntervention
from schemas.ledger import LedgerEntry, LedgerState
from streams.deliver import (
    TERMINAL,
    Answer,
    AnswerKind,
    Step,
    answered,
    next_step,
    parked,
    receipt,
    refused,
    resolve,
    settled,
    unsendable,
)
from streams.suppression import SuppressedAddresses

logger = logging.getLogger(__name__)

CALL_LIMIT_S = 30.0
"""Longest call to a provider; adapters give up sooner by themselves and know more about what happened."""
REDIS_PAUSE = timedelta(seconds=5)
"""How long deliveries are put off while Redis is down."""
PARKED = frozenset({"quiet_hours", "catching_up", "redis_down", "turn_over"})
"""Why a delivery is put off without a call. None of these counts as an attempt."""


@dataclass
class Desk:
    """Everything a delivery needs.

    `may_call` says whether a further call may be begun in this turn: a rebalance waits until the turn is over.
    """

    channel: Channel
    clock: CourierClock
    ledger: Ledger
    journal: Journal
    fence: Fence
    templates: Templates
    backlog: Backlog
    stats: CourierStats
    receipts_topic: str
    doubt_pause: timedelta
    suppressed: SuppressedAddresses
    may_call: Callable[[], bool] = lambda: False
    redis_up: bool = True

    async def handle(self, partition: int, command: Command, *, due: bool) -> list[Out]:
        """Take a command as far as it goes now.

        Args:
            partition: Where its topic has it, and the ledger its entry.
            command: Read from the topic, or kept in the ledger.
            due: Whether it is taken up because its time has come; a redelivered one that waits goes on waiting.

        Returns:
            Records that need no waiting for: finished entries without their command. Write them at the end of the turn.
        """
        entry = self.ledger.get(partition, command.id)
        waits = entry is not None and entry.state is LedgerState.RETRY_AT
        if waits and not due and isinstance(command, DeliverIntervention):
            return []
        now = self.clock.now(command, entry)
        step = next_step(entry, command, now, self.doubt_pause)
        match step.step:
            case Step.WAIT:
                return []
            case Step.TELL:
                self.stats.receipts_repeated += 1
                await self.journal.write([self._receipt(partition, step.entry)])
                return self._settle(partition, step.entry)
            case Step.WRITE:
                return await self._record(partition, step.entry)
            case Step.CALL:
                assert isinstance(command, DeliverIntervention)
                return await self._call(partition, entry, command, step.entry)

    async def _call(
        self, partition: int, before: LedgerEntry | None, command: DeliverIntervention, claimed: LedgerEntry
    ) -> list[Out]:
        if (no := self.suppressed.refuses(command.tenant, command.channel, command.recipient)) is not None:
            return await self._record(partition, refused(before, command, claimed.at, no))
        if (why := self._hindrance(partition)) is not None:
            return await self._park(partition, before, command, why)
        try:
            # A fallback channel may use the text of another one, which asks for a link only that one has.
            variables = {"unsubscribe": None, **command.variables, **self.channel.variables(command)}
            rendered = self.templates.render(command.template, self.channel.parts, variables)
        except UnrenderableError as error:
            return await self._record(partition, unsendable(before, command, claimed.at, str(error)))
        await self.journal.write([self.ledger.put(partition, claimed)])
        try:
            free = await self.fence.pass_(claimed.id, claimed.attempt)
        except RedisError:
            # Claimed, but certainly not called: no doubt about it.
            self.redis_up = False
            return await self._park(partition, claimed, command, "redis_down")
        if free:
            began = time.monotonic()
            answer = await self._ask(command, rendered)
            self.stats.call_seconds += time.monotonic() - began
        else:
            answer = Answer(AnswerKind.FENCED, error="another courier has made this call")
        self.stats.answers[answer.kind.value] += 1
        return await self._record(partition, answered(claimed, answer, self.clock.now(command, claimed)))

    async def _ask(self, command: DeliverIntervention, rendered: dict[str, str]) -> Answer:
        try:
            async with asyncio.timeout(CALL_LIMIT_S):
                return await self.channel.send(command, rendered)
        except TimeoutError:
            return Answer(AnswerKind.IN_DOUBT, error=f"no answer within {CALL_LIMIT_S:g} s")
        except Exception as error:
            # A bug in an adapter must not stop the channel, nor lead to a second call: nobody knows how far it came.
            logger.exception("channel %s failed on %s", self.channel.name, command.id)
            return Answer(AnswerKind.IN_DOUBT, error=f"{type(error).__name__} in the channel adapter")

    async def _record(self, partition: int, entry: LedgerEntry) -> list[Out]:
        """Make an entry durable and do what it asks for: tell, wait, or find the way out of a doubt."""
        records = [self.ledger.put(partition, entry)]
        if entry.state is LedgerState.IN_DOUBT:
            self.stats.in_doubt += 1
            logger.warning("in doubt: %s attempt %d: %s", entry.id, entry.attempt, entry.error)
            entry = resolve(entry, entry.at, self.doubt_pause)
            records.append(self.ledger.put(partition, entry))
        if entry.state not in TERMINAL:
            await self.journal.write(records)
            self.ledger.wait(partition, entry)
            if entry.error in PARKED:
                self.stats.parked[entry.error] += 1
            return []
        await self.journal.write([*records, self._receipt(partition, entry)])
        self.stats.ended[entry.state.value] += 1
        return self._settle(partition, entry)

    async def _park(
        self, partition: int, entry: LedgerEntry | None, command: DeliverIntervention, why: str
    ) -> list[Out]:
        pause = REDIS_PAUSE if why == "redis_down" else timedelta(0)
        if entry is not None and entry.state is LedgerState.RETRY_AT:
            # The ledger already says that it waits: only look again later.
            self.ledger.wait(partition, entry, utc_now() + pause)
            return []
        now = self.clock.now(command, entry)
        return await self._record(partition, parked(entry, command, now, now + pause, why))

    def _hindrance(self, partition: int) -> str | None:
        if self.backlog.behind(partition):
            return "catching_up"
        if not self.redis_up:
            return "redis_down"
        return None if self.may_call() else "turn_over"

    def _receipt(self, partition: int, entry: LedgerEntry) -> Out:
        told = receipt(entry, self.channel.sent_status)
        key = f"{entry.tenant}:{entry.lead}".encode()
        return Out(
            self.receipts_topic, partition, key, told.model_dump_json().encode(), int(entry.at.timestamp() * 1000)
        )

    def _settle(self, partition: int, entry: LedgerEntry) -> list[Out]:
        return [] if entry.command is None else [self.ledger.put(partition, settled(entry))]
