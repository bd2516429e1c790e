"""A courier process: its channel, its connections, its job on the lane."""

import logging
from collections.abc import Callable

from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from agents.app import serve
from agents.channels.agent_alert import AgentAlertChannel
from agents.channels.base import Channel
from agents.channels.email import EmailChannel
from agents.channels.in_app import InAppChannel
from agents.channels.webhook import WebhookChannel
from agents.couriers.job import CourierJob
from agents.couriers.served import ServedCourier
from agents.couriers.settings import CourierSettings
from agents.rounds import LaneSettings
from agents.safety import ExitCode
from schemas import topics
from schemas.units import Channel as ChannelName

logger = logging.getLogger(__name__)

ADAPTERS: dict[ChannelName, Callable[[CourierSettings, Redis], Channel]] = {
    ChannelName.EMAIL: lambda settings, _: EmailChannel(settings.smtp()),
    ChannelName.IN_APP: lambda _, redis: InAppChannel(redis),
    ChannelName.AGENT_ALERT: lambda _, redis: AgentAlertChannel(redis),
    ChannelName.WEBHOOK: lambda settings, _: WebhookChannel(
        settings.endpoints(), allow_loopback=settings.webhook_allow_loopback
    ),
}
"""Channels that have a courier. The commands of the others wait on their topics for downstream consumers."""

CONNECT_S, ANSWER_S = 0.5, 1.0
MAX_RECORDS = 500


def open_redis(url: str) -> Redis:
    """A client that says soon when Redis is down."""
    return Redis.from_url(url, socket_connect_timeout=CONNECT_S, socket_timeout=ANSWER_S, retry=Retry(NoBackoff(), 1))


def redis_away(url: str, error: Exception) -> str:
    """What to say of a Redis that does not answer; its address may hold a password, which is left out."""
    at = parse_url(url)
    where = at.get("path") or f"{at.get('host', 'localhost')}:{at.get('port', 6379)}"
    return f"Redis at {where} does not answer: {error} (LEADKEEPER_REDIS_URL)"


def group_of(channel: ChannelName, settings: CourierSettings) -> str:
    """The consumer group of a channel's couriers."""
    return f"{settings.topic_prefix}couriers.{channel}"


def lane_settings(channel: ChannelName, settings: CourierSettings) -> LaneSettings:
    """How a courier reads: small rounds, since a round ends when its slowest call does."""
    return LaneSettings(
        bootstrap=settings.bootstrap,
        group=group_of(channel, settings),
        client_id=f"courier-{channel}",
        session_timeout_s=settings.session_timeout_s,
        commit_interval_s=settings.commit_interval_s,
        # Half of it must hold a turn's calls: TURN_S until the last one begins and CALL_LIMIT_S until it ends.
        rebalance_timeout_s=90.0,
        drain_s=45.0,
        max_records=MAX_RECORDS,
        gappy_topics=frozenset({settings.topic_prefix + topics.INTERVENTIONS[channel].name})
        if settings.exactly_once
        else frozenset(),
    )


async def run_courier(
    name: ChannelName, settings: CourierSettings, on_job: Callable[[CourierJob], None] | None = None
) -> ExitCode:
    """Run the courier of a channel in this event loop until SIGTERM or SIGINT.

    Args:
        name: One that has an adapter.
        settings: From the environment.
        on_job: Told the job before it starts, for example to export its `stats`.

    Raises:
        KeyError: The channel has no adapter.
        EndpointsInvalidError: The webhook endpoints file is wrong.
    """
    redis = open_redis(settings.redis_url)
    channel = ADAPTERS[name](settings, redis)
    job = ServedCourier(channel, settings, redis, group_of(name, settings))
    if on_job is not None:
        on_job(job)
    topic = settings.topic_prefix + topics.INTERVENTIONS[name].name
    try:
        await redis.ping()
    except (RedisError, OSError) as error:
        logger.warning("%s; commands wait until it does", redis_away(settings.redis_url, error))
    try:
        return await serve(lane_settings(name, settings), [topic], job, name=f"courier-{name}")
    finally:
        await channel.close()
        await redis.aclose()
