"""The process that looks after what is learned: grades what was told every night, and lets a challenger score in shadow.

It writes nothing that leads are judged by, but for two orders: to go back to the version before (`agents.nightly`), and to go
by what experiments, offers, channels and hours have shown since (`agents.learning`). The
challenger is the newest model that was published since the last promotion and was never in force.
"""

import asyncio
import contextlib
import logging
import signal
from datetime import UTC, datetime, timedelta

from agents import metrics
from agents.agreement_live import hold_state_against_inbox
from agents.learning import learn_nightly
from agents.nightly import nightly
from agents.parcel import open_parcel
from agents.registry import read_registry
from agents.retention import kept_days, label_in_force, too_short
from agents.safety import ExitCode, die
from agents.serve import StatusServer
from agents.settings import ModelSettings
from agents.shadow import shadow
from agents.topics import configs_of
from schemas import topics
from schemas.errors import LeadkeeperError, ModelInvalid
from schemas.policies import ModelPublished

logger = logging.getLogger(__name__)
AGAIN_S = 900.0
"""After a night that failed."""
LOOK_S = 20.0
"""Between two looks who the challenger is: `policies` holds some models, a few 100 kB."""


async def watch(settings: ModelSettings) -> ExitCode:
    """Grade when it starts and then every night, until SIGTERM or SIGINT."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    server = StatusServer(settings.metrics_host, settings.metrics_port, ready=_ready)
    await server.start()
    logger.info("metrics at http://%s:%d/metrics", settings.metrics_host, server.port)
    await say_what_is_kept(settings)
    challenging = asyncio.create_task(_challenge(settings))
    challenging.add_done_callback(_ended)
    try:
        while not stop.is_set():
            pause_s = await _night(settings)
            try:
                await asyncio.wait_for(stop.wait(), pause_s)
            except TimeoutError:
                continue
    finally:
        challenging.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await challenging
        await server.stop()
    return ExitCode.STOPPED


async def say_what_is_kept(settings: ModelSettings) -> None:
    """A warning where models are to be trained anew, and the inbox is deleted before they could be."""
    if not settings.retrain_days:
        return
    name = settings.topic_prefix + topics.EVENTS.name
    try:
        config = (await configs_of(settings.bootstrap, [name])).get(name, {})
        label = label_in_force(await read_registry(settings.bootstrap, settings.topic_prefix))
    except LeadkeeperError as error:
        logger.warning("whether %s is kept for long enough to train from is not known: %s", name, error)
        return
    if short := too_short(name, kept_days(config), label):
        logger.warning("%s", short)


def _ready() -> tuple[bool, dict[str, float]]:
    """Ready once a night is over."""
    graded = metrics.REGISTRY.get_sample_value("leadkeeper_last_graded_seconds") or 0.0
    return graded > 0, {"graded": graded}


async def _challenge(settings: ModelSettings) -> None:
    """Let whoever is the challenger score; look again every so often who that is."""
    version: str | None = None
    scoring: asyncio.Task[None] | None = None
    try:
        while True:
            if scoring is not None and scoring.done():
                scoring.result()
            registry = await read_registry(settings.bootstrap, settings.topic_prefix)
            if registry.challenger != version:
                version = registry.challenger
                scoring = await _instead(scoring, settings, registry.published.get(version or ""))
            await asyncio.sleep(LOOK_S)
    finally:
        await _instead(scoring, settings, None)


async def _instead(
    scoring: asyncio.Task[None] | None, settings: ModelSettings, published: ModelPublished | None
) -> asyncio.Task[None] | None:
    if scoring is not None:
        scoring.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await scoring
    if published is None:
        return None
    try:
        scorer = await asyncio.to_thread(open_parcel, published)
    except ModelInvalid as error:
        logger.error("the challenger cannot score: %s", error)  # noqa: TRY400 - it says all
        return None
    logger.info("%s scores in shadow", published.version)
    return asyncio.create_task(shadow(settings, scorer))


def _ended(task: asyncio.Task[None]) -> None:
    """A supervisor starts it anew: a shadow that stands still would be compared as if it had spoken."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("the shadow failed", exc_info=error)
        die(ExitCode.WRITE_FAILED, f"the shadow failed: {error!r}")


async def _night(settings: ModelSettings) -> float:
    """One night, in a thread with a loop of its own: it computes for long. Returns the seconds until the next."""
    try:
        await asyncio.to_thread(asyncio.run, _work(settings))
    except LeadkeeperError as error:
        logger.error("risks were not graded: %s", error)  # noqa: TRY400 - it says all
        return AGAIN_S
    except Exception:  # tomorrow is another night; the alert GradingStale tells if it is not
        logger.exception("risks were not graded")
        return AGAIN_S
    return until(settings.grade_at, datetime.now(UTC))


async def _work(settings: ModelSettings) -> None:
    night = await nightly(settings)
    try:
        await hold_state_against_inbox(settings)
    except LeadkeeperError as error:
        logger.error("whether lead.state and lead.events agree is not known: %s", error)  # noqa: TRY400 - it says all
    if settings.learn_action == "off":
        return
    try:
        await learn_nightly(settings, night.at)
    except LeadkeeperError as error:  # the risks are graded all the same
        logger.error("nothing was learned: %s", error)  # noqa: TRY400 - it says all


def until(clock: str, now: datetime) -> float:
    """Seconds until it is this time of day (UTC) again."""
    hour, minute = map(int, clock.split(":"))
    due = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return ((due if due > now else due + timedelta(days=1)) - now).total_seconds()
