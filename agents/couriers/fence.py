"""The second fence: each attempt of each intervention passes it once, whichever courier makes it.

The ledger is the truth. This catches what the ledger cannot: two couriers that both believe they own the partition,
or a ledger that was lost. One key per attempt, because a repetition that the ledger allows is not the same call.
"""

from redis.asyncio import Redis
from redis.exceptions import RedisError

TTL_S = 7 * 86_400
"""As long as `interventions.*` keep their commands: after that nothing can be redelivered."""


class Fence:
    """Keys `<prefix>fence:<intervention>:<attempt>`, written with SET NX.

    Args:
        redis: Client with short timeouts; its owner closes it.
        prefix: Tells deployments that share a Redis apart, as in topic names.
        token: Who we are, unlike every other process; an answer lost on the way is recognised by it.
    """

    def __init__(self, redis: "Redis", prefix: str, token: str) -> None:
        """Remember who we are."""
        self._redis = redis
        self._prefix = prefix
        self._token = token

    async def pass_(self, intervention: str, attempt: int) -> bool:
        """Take the right to make this call.

        Returns:
            False when another courier has taken it.

        Raises:
            redis.RedisError: Redis did not answer: do not call.
        """
        key = f"{self._prefix}fence:{intervention}:{attempt}"
        if await self._redis.set(key, self._token, nx=True, ex=TTL_S):
            return True
        held = await self._redis.get(key)
        return (held.decode() if isinstance(held, bytes) else held) == self._token

    async def up(self) -> bool:
        """Whether Redis answers and takes writes."""
        try:
            await self._redis.set(f"{self._prefix}fence:up", self._token, ex=60)
        except RedisError:
            return False
        return True
