"""A capped Redis list that takes each id once: the store of in-app messages and of agent alerts."""

import json
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import WatchError

TTL_S = 30 * 86_400
"""Kept for 30 days after the last message."""
LENGTH = 100
"""Messages kept for each reader, newest first."""


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
