"""Alerts for the people who look after leads: live through Redis pub/sub, and kept in a list for who looks later."""

import json
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from agents.channels.base import Rendered, refused
from agents.channels.in_app import ping_redis, redis_answer
from agents.channels.parts import PARTS
from agents.channels.redis_list import push_once, read_list
from schemas.commands import DeliverIntervention, Variable
from schemas.units import Channel, DeliveryStatus
from streams.deliver import Answer, AnswerKind


class AgentAlertChannel:
    """Stores an alert, then publishes it. `delivered` stands for the stored one: it can be read from then on."""

    name = Channel.AGENT_ALERT
    parts = PARTS[Channel.AGENT_ALERT]
    sent_status = DeliveryStatus.DELIVERED

    def __init__(self, redis: "Redis") -> None:
        """Use this client; its owner closes it."""
        self._redis = redis

    def variables(self, command: DeliverIntervention) -> dict[str, Variable]:  # noqa: ARG002 - part of the protocol
        """Nothing to add."""
        return {}

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
            return redis_answer(error)
        return Answer(AnswerKind.SENT, provider="redis", provider_id=f"listeners={listeners}")

    async def ping(self) -> None:
        """Ask Redis.

        Raises:
            Unavailable: It does not answer.
        """
        await ping_redis(self._redis)

    async def close(self) -> None:
        """The client is its owner's."""


def pubsub_channel(tenant: str, agent: str) -> str:
    """The Redis channel on which an agent's alerts are published."""
    return f"agent_alert:{tenant}:{agent}"


def alerts_key(tenant: str, agent: str) -> str:
    """The Redis list in which an agent's alerts are kept."""
    return f"agent_alerts:{tenant}:{agent}"


async def read(redis: "Redis", tenant: str, agent: str) -> list[dict[str, Any]]:
    """An agent's alerts, newest first."""
    return await read_list(redis, alerts_key(tenant, agent))
