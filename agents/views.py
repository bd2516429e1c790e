"""What the report agent keeps in Redis for screens and APIs: who is in which stage, last assessment, journey, open escalations.

Every write can be done again without harm, so a record that comes twice changes nothing. The views can be thrown away: the
report agent builds them again from the topics.

Of an erased lead they forget all that is said of it when a decision or a resolved escalation says so. A lead that had
nothing planned, sent or escalated when it was erased leaves no such record: its last stage stays here until the views are
built again from topics that no longer hold it.
"""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis

STAGES = ("none", "early_warning", "active_risk", "critical_risk")

ERASED_S = 86_400
"""So long a mark of an erasure stays: an assessment from before it may be read after it, from another topic."""
_ORDER = """
local held = redis.call('HMGET', KEYS[1], 'at', 'seq')
local at, seq = tonumber(held[1] or '-1'), tonumber(held[2] or '-1')
"""
# Takes an assessment only when it is newer than the one held, and moves the lead between the stages' sets. Time comes
# before the number: a lead that was erased or forgotten and comes again counts from 1.
_ASSESS = (
    _ORDER
    + """
local new_at, new_seq = tonumber(ARGV[1]), tonumber(ARGV[2])
if at > new_at or (at == new_at and seq >= new_seq) then return 0 end
redis.call('HSET', KEYS[1], 'at', ARGV[1], 'seq', ARGV[2], 'json', ARGV[4])
redis.call('PERSIST', KEYS[1])
for i = 2, 5 do redis.call('SREM', KEYS[i], ARGV[3]) end
redis.call('SADD', KEYS[tonumber(ARGV[5])], ARGV[3])
return 1
"""
)
# Forgets a lead, and for a while refuses what is not newer.
_ERASE = (
    _ORDER
    + """
if at > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'at', ARGV[1], 'seq', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[4])
for i = 2, 5 do redis.call('SREM', KEYS[i], ARGV[3]) end
return 1
"""
)
# Takes a word about the journey only when it is no older than the one held, and not from before an erasure.
_TRAVEL = """
local held = redis.call('HMGET', KEYS[1], 'at', 'json', 'journey_at')
local new_at = tonumber(ARGV[1])
if tonumber(held[3] or '-1') > new_at or (held[1] and not held[2] and tonumber(held[1]) >= new_at) then return 0 end
redis.call('HSET', KEYS[1], 'journey_at', ARGV[1], 'journey', ARGV[2])
redis.call('PERSIST', KEYS[1])
return 1
"""
_LAST_SEQ = 2**53


class Views:
    """The Redis side.

    Args:
        redis: A client.
        prefix: Before every key.
    """

    def __init__(self, redis: Redis, prefix: str = "") -> None:
        """Register the scripts; nothing is sent yet."""
        self._redis, self._prefix = redis, prefix
        self._assess, self._erase = redis.register_script(_ASSESS), redis.register_script(_ERASE)
        self._travel = redis.register_script(_TRAVEL)

    def _key(self, *parts: str) -> str:
        return f"{self._prefix}view:" + ":".join(parts)

    async def write(self, records: Iterable[dict[str, Any]]) -> None:
        """Take assessments, journeys, escalations and erasures in, in order. Raises redis.RedisError when Redis is down."""
        pipe = self._redis.pipeline(transaction=False)
        stages = [self._key("stage", stage) for stage in STAGES]
        for record in records:
            lead = f"{record['tenant']}:{record['lead']}"
            keys = [self._key("lead", lead), *stages]
            if record["type"] == "lead_assessed":
                place = STAGES.index(record["stage"]) + 2
                args = [_micros(record), record["seq"], lead, json.dumps(record, separators=(",", ":")), place]
                await self._assess(keys=keys, args=args, client=pipe)
            elif record["type"] == "journey_progressed":
                args = [_micros(record), json.dumps(record, separators=(",", ":"))]
                await self._travel(keys=keys[:1], args=args, client=pipe)
            elif says_erased(record):
                await self._erase(keys=keys, args=[_micros(record), _LAST_SEQ, lead, ERASED_S], client=pipe)
            if record["type"] == "lead_escalated":
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

    async def journey(self, tenant: str, lead: str) -> dict[str, Any] | None:
        """Where the lead is on its journey, its chance and the next best action, as told last; or None."""
        found = await self._redis.hget(self._key("lead", f"{tenant}:{lead}"), "journey")
        return None if found is None else json.loads(found)


def says_erased(record: dict[str, Any]) -> bool:
    """Whether a decision or an escalation tells that its lead was erased."""
    return record.get("rule") == "erased" or (record.get("status"), record.get("outcome")) == ("resolved", "erased")


def _micros(record: dict[str, Any]) -> int:
    return (datetime.fromisoformat(record["at"]) - datetime.fromisoformat("1970-01-01T00:00:00Z")) // timedelta(
        microseconds=1
    )
