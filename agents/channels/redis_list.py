"""A capped Redis list that takes each id once: the store of in-app messages and of agent alerts."""

import json
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, WatchError

from schemas.commands import DeliverIntervention, Variable
from schemas.errors import Unavailable
from schemas.units import DeliveryStatus
from streams.deliver import Answer, AnswerKind

TTL_S = 30 * 86_400
"""Kept for 30 days after the last message."""
LENGTH = 100
"""Messages kept for each reader, newest first."""


class RedisListChannel:
    """What channels have in common whose messages are delivered once they are in a list: from then on they can be read."""

    sent_status = DeliveryStatus.DELIVERED

    def __init__(self, redis: "Redis") -> None:
        """Use this client; its owner closes it."""
        self._redis = redis

    def variables(self, command: DeliverIntervention) -> dict[str, Variable]:  # noqa: ARG002 - part of the protocol
        """Nothing to add."""
        return {}

    async def ping(self) -> None:
        """Ask Redis whether it is there.

        Raises:
            Unavailable: It is not; says what to do.
        """
        try:
            await self._redis.ping()
        except RedisError as error:
            raise Unavailable(f"redis does not answer ({error}); start it or correct LEADKEEPER_REDIS_URL") from error

    async def close(self) -> None:
        """The client is its owner's."""


def not_stored(error: RedisError) -> Answer:
    """Redis did not take a message. Writes are recognised by id, so even the doubtful ones may be repeated."""
    kind = AnswerKind.REFUSED_TRANSIENT if isinstance(error, RedisConnectionError) else AnswerKind.IN_DOUBT
    return Answer(kind, provider="redis", error=f"{type(error).__name__}: {error}")


async def push_once(redis: "Redis", key: str, message: dict[str, Any]) -> bool:
    """Put a message in front unless one with the same `id` is in the list; cap the list and renew its time to live.

    Optimistic locking (WATCH) instead of a script: a Redis user without EVAL is enough.

    Returns:
        Whether it was new.

    Raises:
        redis.RedisError: Redis did not answer; the message may be there, and pushing again is safe.
    """
    async with redis.pipeline(transaction=True) as pipe:
        while True:
            try:
                await pipe.watch(key)
                held = await pipe.lrange(key, 0, -1)
                if any(json.loads(each)["id"] == message["id"] for each in held):
                    return False
                pipe.multi()  # type: ignore[no-untyped-call]  # redis-py has no types for it
                pipe.lpush(key, json.dumps(message))
                pipe.ltrim(key, 0, LENGTH - 1)
                pipe.expire(key, TTL_S)
                await pipe.execute()
            except WatchError:
                continue  # somebody else wrote to the list meanwhile: look again
            return True


async def read_list(redis: "Redis", key: str) -> list[dict[str, Any]]:
    """All messages in the list, newest first."""
    return [json.loads(each) for each in await redis.lrange(key, 0, -1)]
