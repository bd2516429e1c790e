"""What the report agent keeps in Redis for screens and APIs: who is in which stage, the last assessment, open escalations.

Every write can be done again without harm, so a record that comes twice changes nothing. The views can be thrown away: the
report agent builds them again from the topics.
"""

import json
from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis

STAGES = ("none", "early_warning", "active_risk", "critical_risk")

# Takes an assessment only when it is newer than the one held, and moves the lead between the stages' sets.
_ASSESS = """
local held = redis.call('HGET', KEYS[1], 'seq')
if held and tonumber(held) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'seq', ARGV[1], 'stage', ARGV[2], 'json', ARGV[4])
for i = 2, 5 do redis.call('SREM', KEYS[i], ARGV[3]) end
redis.call('SADD', KEYS[tonumber(ARGV[5])], ARGV[3])
return 1
"""


class Views:
    """The Redis side.

    Args:
        redis: A client.
        prefix: Before every key.
    """

    def __init__(self, redis: Redis, prefix: str = "") -> None:
        """Register the script; nothing is sent yet."""
        self._redis, self._prefix = redis, prefix
        self._assess = redis.register_script(_ASSESS)

    def _key(self, *parts: str) -> str:
        return f"{self._prefix}view:" + ":".join(parts)

    async def write(self, records: Iterable[dict[str, Any]]) -> None:
        """Take assessments and escalations in, in order. Raises redis.RedisError when Redis is down."""
        pipe = self._redis.pipeline(transaction=False)
        for record in records:
            lead = f"{record['tenant']}:{record['lead']}"
            if record["type"] == "lead_assessed":
                stages = [self._key("stage", stage) for stage in STAGES]
                place = STAGES.index(record["stage"]) + 2
                args = [record["seq"], record["stage"], lead, json.dumps(record, separators=(",", ":")), place]
                await self._assess(keys=[self._key("lead", lead), *stages], args=args, client=pipe)
            elif record["type"] == "lead_escalated":
                if record["status"] == "resolved":
                    pipe.hdel(self._key("escalations"), record["id"])
                else:
                    pipe.hset(self._key("escalations"), record["id"], json.dumps(record, separators=(",", ":")))
        await pipe.execute()

    async def stage_counts(self) -> dict[str, int]:
        """Leads now in each stage."""
        pipe = self._redis.pipeline(transaction=False)
        for stage in STAGES:
            pipe.scard(self._key("stage", stage))
        return dict(zip(STAGES, await pipe.execute(), strict=True))

    async def open_escalations(self) -> int:
        """How many are not resolved."""
        return int(await self._redis.hlen(self._key("escalations")))

    async def assessment(self, tenant: str, lead: str) -> dict[str, Any] | None:
        """The last one, or None."""
        found = await self._redis.hget(self._key("lead", f"{tenant}:{lead}"), "json")
        return None if found is None else json.loads(found)
