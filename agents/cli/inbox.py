"""`leadkeeper inbox …`: in-app messages of one lead, as an app would read them."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from redis.exceptions import RedisError

from agents.channels import in_app
from agents.cli.common import NOT_FOUND, UNAVAILABLE, fail, load, out, wait
from agents.couriers.run import open_redis
from agents.settings import Settings

app = typer.Typer(no_args_is_help=True, help="In-app messages: read, acknowledge.")

Tenant = Annotated[str, typer.Argument(help="like acme")]
Lead = Annotated[str, typer.Argument(help="the lead's id within the tenant")]


@app.command(epilog="Example: leadkeeper inbox read acme L-1001")
def read(tenant: Tenant, lead: Lead) -> None:
    """The lead's messages, newest first."""
    settings = load(Settings)

    async def work() -> list[dict[str, Any]]:
        redis = open_redis(settings.redis_url)
        try:
            return await in_app.read(redis, tenant, lead)
        except (RedisError, OSError) as error:
            fail(UNAVAILABLE, f"Redis at {settings.redis_url} does not answer: {error} (LEADKEEPER_REDIS_URL)")
        finally:
            await redis.aclose()

    messages = wait(work())
    if not messages:
        out.print(f"no messages for {tenant}:{lead}")
    for message in messages:
        state = f"acknowledged {message['acknowledged']}" if message["acknowledged"] else "new"
        out.print(f"[bold]{message['at']}[/]  {message['id']}  [dim]{state}[/]", soft_wrap=True)
        out.print(message["text"], markup=False)


@app.command(epilog="Example: leadkeeper inbox acknowledge acme L-1001 int-abc…")
def acknowledge(tenant: Tenant, lead: Lead, message: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Note that the lead has seen a message."""
    settings = load(Settings)

    async def work() -> bool:
        redis = open_redis(settings.redis_url)
        try:
            return await in_app.acknowledge(redis, tenant, lead, message, datetime.now(UTC))
        except (RedisError, OSError) as error:
            fail(UNAVAILABLE, f"Redis at {settings.redis_url} does not answer: {error} (LEADKEEPER_REDIS_URL)")
        finally:
            await redis.aclose()

    if not wait(work()):
        fail(NOT_FOUND, f"{tenant}:{lead} has no message {message}; `leadkeeper inbox read {tenant} {lead}` shows them")
    out.print("acknowledged")
