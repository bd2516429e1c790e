"""The Faust app around a lane, and the process that runs it.

Faust has the app, the agents, the channel between them, group membership, rebalancing and the services' life cycle. The
settings are those of its documentation that make sense without tables, acks and web server.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import threading
from collections.abc import Iterable
from typing import Any, NoReturn, cast

import faust
from faust.transport.drivers.aiokafka import Transport
from yarl import URL

from agents import memory
from agents.broker import BrokerUnreachableError, probe
from agents.lane import Lane
from agents.rounds import LaneSettings, RoundHandler
from agents.safety import ExitCode, die

logger = logging.getLogger(__name__)

_GC_EVERY = 100_000
"""Objects until Python looks for cycles: a round holds thousands for some ms, and at its 700 the looking cost a fifth of the fold."""
_NEVER_S = 315_360_000.0  # ten years; reliability: an idle or blocked worker must not leave its group by itself


class LaneTransport(Transport):
    """Faust's aiokafka transport with the lane as its consumer."""

    Consumer = Lane


class LaneApp(faust.App):
    """A Faust app that carries what the lane needs."""

    lane_settings: LaneSettings
    lane_handler: RoundHandler
    lane_channel: Any

    @property
    def lane(self) -> Lane:
        """The app's consumer."""
        return cast("Lane", self.consumer)

    def crash_event(self) -> asyncio.Event:
        """Return the event that Faust sets when one of its services crashed."""
        return cast("asyncio.Event", self._crashed)

    def _create_directories(self) -> None:
        """Make none: there are no tables on disk."""


def build_app(name: str, settings: LaneSettings, inbox_topics: Iterable[str], handler: RoundHandler) -> LaneApp:
    """Make the app: one agent that keeps the subscription, one that receives rounds.

    Args:
        name: Names the agents, e.g. ``"leads"``.
        settings: With nothing left to fill in (``LaneSettings.on``).
        inbox_topics: What to read. They must exist.
        handler: The job.
    """
    urls = [URL(f"kafka://{host}") for host in settings.bootstrap.split(",")]
    app = LaneApp(
        settings.group,
        broker=urls,
        broker_client_id=settings.client_id,
        broker_session_timeout=settings.session_s,
        broker_heartbeat_interval=settings.heartbeat_s,
        broker_rebalance_timeout=settings.rebalance_timeout_s,
        broker_request_timeout=max(40.0, settings.session_s),
        broker_max_poll_interval=_NEVER_S,
        broker_max_poll_records=settings.max_records,
        broker_commit_interval=settings.commit_interval_s,
        consumer_auto_offset_reset="earliest",
        processing_guarantee="at_least_once",
        store="memory://",
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_wait_empty=True,
        producer_acks=-1,
        web_enabled=False,
        worker_redirect_stdouts=False,
        value_serializer="raw",
    )
    app.lane_settings, app.lane_handler = settings, handler
    app.transport = LaneTransport(urls, app)
    app.lane_channel = app.channel()

    async def inbox(stream: Any) -> None:
        async for _ in stream:
            die(ExitCode.WRITE_FAILED, "a record went past the lane into a Faust stream")

    async def rounds(stream: Any) -> None:
        try:
            async for round_ in stream:
                await app.lane.turns.run(round_)
        except asyncio.CancelledError:
            if not app.should_stop:  # at a stop the turn in flight goes on without its agent, until wait_empty
                raise

    app.agent(app.topic(*inbox_topics, value_type=bytes, value_serializer="raw"), name=f"{name}.inbox")(inbox)
    app.agent(app.lane_channel, name=f"{name}.rounds")(rounds)
    return app


def run_worker(
    settings: LaneSettings, inbox_topics: Iterable[str], handler: RoundHandler, name: str = "lane"
) -> NoReturn:
    """Run a job in this process until SIGTERM or SIGINT; never returns.

    A stop lets the round in flight finish, commits it and leaves the group; after ``settings.drain_s`` it ends hard.

    Raises:
        SystemExit: With an ``ExitCode``: 0 after a stop, 69 when no broker answered.
    """
    raise SystemExit(int(asyncio.run(serve(settings, inbox_topics, handler, name))))


async def serve(
    settings: LaneSettings, inbox_topics: Iterable[str], handler: RoundHandler, name: str = "lane"
) -> ExitCode:
    """Run a job in this event loop until a signal asks it to stop; see ``run_worker``."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    try:
        settings = settings.on(await probe(settings.bootstrap))
    except BrokerUnreachableError as error:
        logger.error("%s", error)  # noqa: TRY400  # the text says it all, a traceback would hide it
        return ExitCode.UNAVAILABLE
    app = build_app(name, settings, inbox_topics, handler)
    lane = app.lane
    memory.keep_one_arena()
    gc.freeze()
    gc.set_threshold(_GC_EVERY, 20, 20)
    await handler.setup(lane)
    lease = asyncio.create_task(lane.lease.run())
    lane.watchdog.start()
    starting = asyncio.create_task(app.start())
    crash = asyncio.create_task(app.crash_event().wait())
    stopping = asyncio.create_task(stop.wait())
    starting.add_done_callback(_died)
    await asyncio.wait({crash, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if crash.done():
        # Faust's own crash handling can leave a process that hangs and holds its partitions.
        die(ExitCode.ZOMBIE, f"Faust crashed: {app.crash_reason!r}")
    deadline = threading.Timer(settings.drain_s, die, (ExitCode.ZOMBIE, f"not stopped within {settings.drain_s:g} s"))
    deadline.daemon = True
    deadline.start()
    lane.watchdog.stop()
    lane.turns.stop()
    await app.stop()
    await handler.teardown()
    for task in (lease, crash, stopping, starting):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    deadline.cancel()
    gc.unfreeze()  # what is frozen is not cleaned up, which native libraries complain of at the end
    return ExitCode.STOPPED


def _died(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        die(ExitCode.ZOMBIE, f"Faust did not start: {error!r}")
