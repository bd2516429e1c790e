"""Runs a plan: trains on the earlier part, streams the later part through the real processes, tells what happened."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console

from agents.broker import probe
from agents.dead_rows import dead_rows
from agents.timeline import story
from agents.topics import create
from agents.tryout.ending import Quality, tell_ending
from agents.tryout.feed import Feed
from agents.tryout.figures import Figures, progress
from agents.tryout.plan import Plan
from agents.tryout.results import gather
from agents.tryout.screen import HISTORY, Screen, totals
from agents.tryout.stack import COURIERS, Stack
from agents.tryout.truth import Truth
from agents.writer import Writer
from schemas.errors import Unavailable
from streams.features import DAY

PARTITIONS = 4
LOOK_S = 0.5
AHEAD_S = 2.0 * DAY
"""How much event time the feed may be ahead of the lead agent, so that receipts come back in their own week."""
BEHIND = 400
"""Commands that may wait at couriers before the feed pauses."""
SETTLE_S = 60.0


class Gate:
    """Holds the feed back while the product catches up, and draws the screen meanwhile."""

    def __init__(self, stack: Stack, screen: Screen) -> None:
        """Start with nothing seen."""
        self._stack, self._screen = stack, screen
        self.phase = HISTORY
        self.figures = Figures([])
        self._looked = 0.0

    async def look(self, now: float, *, force: bool = False) -> None:
        """Scrape and draw, at most twice a second."""
        if force or time.monotonic() - self._looked >= LOOK_S:
            self._stack.check()
            self.figures = await asyncio.to_thread(Figures, self._stack.ports.values())
            self._looked = time.monotonic()
            self._screen.show(self.figures, now, self.phase)

    async def __call__(self, moment: float) -> None:
        """Return when the lead agent is within two days of `moment` and the couriers are not far behind."""
        await self.look(moment)
        before, since = (-1.0, -1.0), time.monotonic()
        while True:
            stream_time, waiting = await asyncio.to_thread(self._progress)
            if stream_time >= moment - AHEAD_S and waiting <= BEHIND:
                return
            if (stream_time, waiting) != before:
                before, since = (stream_time, waiting), time.monotonic()
            elif time.monotonic() - since > SETTLE_S:
                raise Unavailable(
                    f"nothing moves for {SETTLE_S:g} s; {waiting:.0f} commands wait; see the logs in the run's folder"
                )
            await asyncio.sleep(0.01)
            await self.look(moment)

    def _progress(self) -> tuple[float, float]:
        """Stream time of the lead agent, and commands that couriers have not ended yet."""
        ports = self._stack.ports
        lead = progress(ports["lead"])
        ended = sum(progress(ports[name]).get("ended", 0.0) for name in COURIERS)
        return lead.get("stream_time", 0.0), sum(lead.get(f"sent_{name}", 0.0) for name in COURIERS) - ended

    async def settle(self, moment: float) -> None:
        """Return when everything that was sent is folded and delivered. Raises Unavailable after a minute without progress."""
        before, since = (-1.0, -1.0), time.monotonic()
        while True:
            await self.look(moment, force=True)
            stream_time, waiting = await asyncio.to_thread(self._progress)
            lag = self.figures.sum("leadkeeper_lag_records")
            done = stream_time >= moment
            if done and waiting <= 0 and lag == 0:
                return
            if (waiting, lag) != before:
                before, since = (waiting, lag), time.monotonic()
            elif time.monotonic() - since > SETTLE_S:
                raise Unavailable(
                    f"no progress for {SETTLE_S:g} s: {waiting:.0f} commands and {lag:.0f} records wait; see the logs"
                )
            await asyncio.sleep(0.1)


async def run_plan(
    plan: Plan,
    folder: Path,
    console: Console,
    *,
    title: str,
    model: str,
    models: Path,
    quality: Quality | None,
    step_s: float,
    speed: float | None,
    bootstrap: str | None = None,
    keep: Callable[[Stack, str | None], Awaitable[None]] | None = None,
) -> None:
    """Stream a plan through a stack of its own and tell what happened.

    Args:
        plan: What to do.
        folder: For what the run leaves behind.
        console: Where to tell it.
        title: Of the live view.
        model: Version to judge by; empty: the rule scorer.
        models: Folder of models.
        quality: How good the model is on the later part, if that was measured.
        step_s: Event seconds between ticks.
        speed: Event seconds per second; None: as fast as the product keeps up.
        bootstrap: A broker that is there already.
        keep: Awaited before everything is stopped, with a lead that has a story.

    Raises:
        Unavailable: A process ended or nothing moves.
    """
    policy = plan.write_policy(folder)
    stack = Stack(folder, policy, models, model, bootstrap)
    with stack:
        flavour = await probe(stack.bootstrap)
        await create(stack.bootstrap, stack.prefix, PARTITIONS, 1, event_time=True)
        await asyncio.to_thread(stack.start_workers)
        writer = Writer(stack.bootstrap, idempotent=flavour.idempotent, client_id="replay")
        await writer.start()
        began = time.monotonic()
        try:
            with Screen(console, title, plan.start, plan.cutoff, plan.end) as screen:
                gate = Gate(stack, screen)
                feed = Feed(writer, stack.prefix, PARTITIONS, gate)
                await writer.produce(dead_rows(plan.rejected, PARTITIONS, stack.prefix))
                await feed.activate(min(plan.start, plan.cutoff), acting=False)
                await feed.history(plan.history, gate.look)
                await feed.tick(plan.cutoff)
                await feed.activate(plan.cutoff, acting=True)
                gate.phase = "live"
                await feed.live(plan.live, plan.cutoff, plan.end, step_s, speed)
                gate.phase = "settling"
                await gate.settle(plan.end)
                gate.phase = "done"
                await gate.look(plan.end, force=True)
        finally:
            await writer.stop()
        took = time.monotonic() - began
        results = await gather(stack.bootstrap, stack.prefix, plan.cutoff)
        truth = Truth((line.value for line in plan.lines), plan.policy)
        tale = (
            await story(stack.bootstrap, stack.prefix, plan.mapping.of_tenant, results.best_story)
            if results.best_story
            else []
        )
        tell_ending(
            console,
            plan,
            results,
            truth,
            quality,
            tale,
            folder_of_mails=stack.mails,
            took_s=took,
            totals=totals(gate.figures),
        )
        if keep is not None:
            await keep(stack, next((lead for lead in results.stories if truth.is_open(lead, plan.end)), None))
