"""In-app messages: a Redis list per lead that the tenant's app reads and acknowledges."""

from datetime import datetime
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from agents.channels.base import Rendered
from agents.channels.parts import PARTS
from agents.channels.redis_list import TTL_S, RedisListChannel, not_stored, push_once, read_list
from schemas.commands import DeliverIntervention
from schemas.units import Channel
from streams.deliver import Answer, AnswerKind


class InAppChannel(RedisListChannel):
    """Writes messages where the app looks for them."""

    name = Channel.IN_APP
    parts = PARTS[Channel.IN_APP]

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
            return not_stored(error)
        return Answer(AnswerKind.SENT, provider="redis", provider_id=command.id)


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


def _messages(tenant: str, lead: str) -> str:
    return f"in_app:{tenant}:{lead}"


def _acknowledged(tenant: str, lead: str) -> str:
    return f"in_app_acknowledged:{tenant}:{lead}"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
