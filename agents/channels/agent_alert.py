"""Alerts for the people who look after leads: live through Redis pub/sub, and kept in a list for who looks later."""

import json
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from agents.channels.base import Rendered, refused
from agents.channels.parts import PARTS
from agents.channels.redis_list import RedisListChannel, not_stored, push_once, read_list
from schemas.commands import DeliverIntervention
from schemas.units import Channel
from streams.deliver import Answer, AnswerKind


class AgentAlertChannel(RedisListChannel):
    """Stores an alert, then publishes it. `delivered` stands for the stored one."""

    name = Channel.AGENT_ALERT
    parts = PARTS[Channel.AGENT_ALERT]

    async def send(self, command: DeliverIntervention, rendered: Rendered) -> Answer:
        """Store and publish one alert; the answer's provider id says how many were listening."""
        agent = command.recipient.agent
        if not agent:
            return refused("recipient.agent is missing; give the lead an owner with profile_updated")
        alert = {
            "id": command.id,
            "at": command.at.isoformat(),
            "lead": command.lead,
            "stage": command.stage.value,
            "action": command.action,
            "priority": command.priority.value,
            "text": rendered["txt"],
        }
        try:
            await push_once(self._redis, alerts_key(command.tenant, agent), alert)
            listeners = await self._redis.publish(pubsub_channel(command.tenant, agent), json.dumps(alert))
        except RedisError as error:
            return not_stored(error)
        return Answer(AnswerKind.SENT, provider="redis", provider_id=f"listeners={listeners}")


def pubsub_channel(tenant: str, agent: str) -> str:
    """The Redis channel on which an agent's alerts are published."""
    return f"agent_alert:{tenant}:{agent}"


def alerts_key(tenant: str, agent: str) -> str:
    """The Redis list in which an agent's alerts are kept."""
    return f"agent_alerts:{tenant}:{agent}"


async def read(redis: "Redis", tenant: str, agent: str) -> list[dict[str, Any]]:
    """An agent's alerts, newest first."""
    return await read_list(redis, alerts_key(tenant, agent))
