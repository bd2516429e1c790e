"""In-app messages, agent alerts and webhooks by real courier processes, up to whoever reads them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from agents.channels import agent_alert, in_app
from schemas.commands import Recipient
from schemas.units import Channel
from tests.broker.courier_world import World, deliver

pytestmark = pytest.mark.broker
MakeWorld = Callable[..., World]


def test_in_app_messages_are_read_and_acknowledged(world: MakeWorld, redis_url: str) -> None:
    w = world(Channel.IN_APP)
    tenant = w.prefix.rstrip(".")[-20:]
    w.courier()
    w.write(
        deliver(1, Channel.IN_APP, tenant=tenant),
        deliver(1, Channel.IN_APP, tenant=tenant),
        deliver(9, Channel.IN_APP, tenant=tenant, lead="L1"),
    )
    assert [r["status"] for r in w.receipts(3)] == ["delivered"] * 3

    async def look() -> None:
        redis = Redis.from_url(redis_url)
        messages = await in_app.read(redis, tenant, "L1")
        assert [m["id"] for m in messages] == ["iv-9", "iv-1"]
        assert "Can we help, Ana?" in messages[0]["text"]
        now = datetime.now(UTC)
        assert await in_app.acknowledge(redis, tenant, "L1", "iv-1", now)
        assert not await in_app.acknowledge(redis, tenant, "L1", "iv-7", now)
        assert [m["acknowledged"] for m in await in_app.read(redis, tenant, "L1")] == [None, now.isoformat()]
        assert await in_app.read(redis, tenant, "L2") == []
        await redis.aclose()

    asyncio.run(look())


def test_agent_alerts_are_published_and_kept(world: MakeWorld, redis_url: str) -> None:
    w = world(Channel.AGENT_ALERT)
    tenant = w.prefix.rstrip(".")[-20:]
    w.courier()

    async def listen() -> str:
        redis = Redis.from_url(redis_url)
        async with redis.pubsub() as pubsub:
            await pubsub.subscribe(agent_alert.pubsub_channel(tenant, "ben"))
            command = deliver(1, Channel.AGENT_ALERT, tenant=tenant)
            await asyncio.to_thread(
                w.write, command, deliver(2, Channel.AGENT_ALERT, tenant=tenant, recipient=Recipient())
            )
            async with asyncio.timeout(60):
                async for message in pubsub.listen():
                    if message["type"] == "message":
                        break
        kept = await agent_alert.read(redis, tenant, "ben")
        await redis.aclose()
        assert [alert["id"] for alert in kept] == ["iv-1"]
        return str(json.loads(message["data"])["text"])

    assert "72 % risk" in asyncio.run(listen())
    told = {r["intervention"]: r for r in w.receipts(2)}
    assert told["iv-1"]["provider_id"] == "listeners=1"
    assert (told["iv-2"]["status"], told["iv-2"]["error"][:9]) == ("failed", "rejected:")


def test_webhooks_are_signed_and_repeated_when_the_endpoint_asks(world: MakeWorld, tmp_path: Path) -> None:
    w = world(Channel.WEBHOOK)
    secret = tmp_path / "secret"
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    taken = tmp_path / "taken.jsonl"
    port = w.provider(
        "deploy.providers.webhook_sink",
        str(taken),
        "--secret-file",
        str(secret),
        "--fail",
        "later=0.3,drop=0.3",
        "--seed",
        "379",
    )
    endpoints = tmp_path / "endpoints.toml"
    endpoints.write_text(
        f'[acme.default]\nurl = "http://127.0.0.1:{port}/hook"\nsecret_file = "{secret}"\n'
        f'[wrong.default]\nurl = "http://127.0.0.1:{port}/hook"\nsecret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"\n'
        '[inside.default]\nurl = "https://169.254.169.254/latest"\nsecret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"\n'
    )
    w.courier(webhook_endpoints=str(endpoints), webhook_allow_loopback="true")
    # This seed answers 503 first, then takes the call without an answer, then behaves.
    w.write(deliver(1, Channel.WEBHOOK))
    assert w.receipts(1)[0]["status"] == "delivered"
    assert w.until("sent") == ["claimed", "retry_at", "claimed", "in_doubt", "retry_at", "claimed", "sent", "sent"]
    others = ((6, "wrong"), (7, "inside"), (8, "nowhere"))
    w.write(
        deliver(2, Channel.WEBHOOK),
        *(deliver(n, Channel.WEBHOOK, tenant=tenant) for n, tenant in others),
    )
    told = {r["intervention"]: r for r in w.receipts(5)}
    assert told["iv-2"]["status"] == "delivered"
    assert told["iv-6"]["error"] == "rejected: HTTP 401"
    assert "not a public address" in told["iv-7"]["error"]
    assert "no endpoint nowhere.default" in told["iv-8"]["error"]
    lines = [json.loads(line) for line in taken.read_text().splitlines()]
    assert [(line["id"], line["verified"], line["status"]) for line in lines if line["id"] == "iv-1"] == [
        ("iv-1", True, 503), ("iv-1", True, 0), ("iv-1", True, 204),
    ]  # fmt: skip
    assert {line["id"] for line in lines if not line["verified"]} == {"iv-6"}
    bodies = {line["body"] for line in lines if line["id"] == "iv-1"}
    assert [json.loads(body)["data"]["id"] for body in bodies] == ["iv-1"], "the same body each time"
