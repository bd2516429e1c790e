"""In-app messages: a Redis list per lead that the tenant's app reads and acknowledges."""

from datetime import datetime
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from agents.channels.base import Rendered
from agents.channels.parts import PARTS
from agents.channels.redis_list import TTL_S, push_once, read_list
from schemas.commands import DeliverIntervention, Variable
from schemas.errors import Unavailable
from schemas.units import Channel, DeliveryStatus
from streams.deliver import Answer, AnswerKind


class InAppChannel:
    """Writes messages where the app looks for them."""

    name = Channel.IN_APP
    parts = PARTS[Channel.IN_APP]
    sent_status = DeliveryStatus.DELIVERED

    def __init__(self, redis: "Redis") -> None:
        """Use this client; its owner closes it."""
        self._redis = redis

    def variables(self, command: DeliverIntervention) -> dict[str, Variable]:  # noqa: ARG002 - part of the protocol
        """Nothing to add."""
        return {}

    async def send(self, command: DeliverIntervention, rendered: Rendered) -> Answer:
        """Write one message; writing it again changes nothing."""
        message = {
            "id": command.id,
            "at": command.at.isoformat(),
            "stage": command.stage.value,
            "action": command.action,
            "priority": command.priority.value,
            "text": rendered["txt"],
        }
        try:
            await push_once(self._redis, _messages(command.tenant, command.lead), message)
        except RedisError as error:
            return redis_answer(error)
        return Answer(AnswerKind.SENT, provider="redis", provider_id=command.id)

    async def ping(self) -> None:
        """Ask Redis.

        Raises:
            Unavailable: It does not answer.
        """
        await ping_redis(self._redis)

    async def close(self) -> None:
        """The client is its owner's."""


async def read(redis: "Redis", tenant: str, lead: str) -> list[dict[str, Any]]:
    """A lead's messages, newest first; `acknowledged` is the time at which it was, or None."""
    done = await redis.hgetall(_acknowledged(tenant, lead))
    times = {_text(key): _text(value) for key, value in done.items()}
    return [
        {**message, "acknowledged": times.get(message["id"])}
        for message in await read_list(redis, _messages(tenant, lead))
    ]


async def acknowledge(redis: "Redis", tenant: str, lead: str, message: str, at: datetime) -> bool:
    """Note that the lead has seen a message. The first time counts.

    Returns:
        False when the lead has no such message.
    """
    if all(held["id"] != message for held in await read_list(redis, _messages(tenant, lead))):
        return False
    key = _acknowledged(tenant, lead)
    async with redis.pipeline(transaction=True) as pipe:
        pipe.hsetnx(key, message, at.isoformat())
        pipe.expire(key, TTL_S)
        await pipe.execute()
    return True


def redis_answer(error: RedisError) -> Answer:
    """Redis did not take a message. Writes are recognised by id, so even the doubtful ones may be repeated."""
    kind = AnswerKind.REFUSED_TRANSIENT if isinstance(error, RedisConnectionError) else AnswerKind.IN_DOUBT
    return Answer(kind, provider="redis", error=f"{type(error).__name__}: {error}")


async def ping_redis(redis: "Redis") -> None:
    """Ask Redis whether it is there.

    Raises:
        Unavailable: It is not; says what to do.
    """
    try:
        await redis.ping()
    except RedisError as error:
        raise Unavailable(f"redis does not answer ({error}); start it or correct LEADKEEPER_REDIS_URL") from error


def _messages(tenant: str, lead: str) -> str:
    return f"in_app:{tenant}:{lead}"


def _acknowledged(tenant: str, lead: str) -> str:
    return f"in_app_acknowledged:{tenant}:{lead}"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
