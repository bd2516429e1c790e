"""`leadkeeper inbox …`: in-app messages of one lead, as an app would read them."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from agents.cli.common import NOT_FOUND, UNAVAILABLE, fail, load, out, wait
from agents.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True, help="In-app messages: read, acknowledge.")

Tenant = Annotated[str, typer.Argument(help="like acme")]
Lead = Annotated[str, typer.Argument(help="the lead's id within the tenant")]


@app.command(epilog="Example: leadkeeper inbox read acme L-1001")
def read(tenant: Tenant, lead: Lead) -> None:
    """The lead's messages, newest first."""
    from agents.channels import in_app

    messages = _ask(lambda redis: in_app.read(redis, tenant, lead))
    if not messages:
        out.print(f"no messages for {tenant}:{lead}")
    for message in messages:
        state = f"acknowledged {message['acknowledged']}" if message["acknowledged"] else "new"
        out.print(f"[bold]{message['at']}[/]  {message['id']}  [dim]{state}[/]", soft_wrap=True)
        out.print(message["text"], markup=False)


@app.command(epilog="Example: leadkeeper inbox acknowledge acme L-1001 int-abc…")
def acknowledge(tenant: Tenant, lead: Lead, message: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Note that the lead has seen a message."""
    from agents.channels import in_app

    if not _ask(lambda redis: in_app.acknowledge(redis, tenant, lead, message, datetime.now(UTC))):
        fail(NOT_FOUND, f"{tenant}:{lead} has no message {message}; `leadkeeper inbox read {tenant} {lead}` shows them")
    out.print("acknowledged")


def _ask(question: "Callable[[Redis], Awaitable[T]]") -> T:
    """Ask Redis; when it does not answer, end with 69."""
    from redis.exceptions import RedisError

    from agents.couriers.run import open_redis, redis_away

    settings = load(Settings)

    async def work() -> T:
        redis = open_redis(settings.redis_url)
        try:
            return await question(redis)
        except (RedisError, OSError) as error:
            fail(UNAVAILABLE, redis_away(settings.redis_url, error))
        finally:
            await redis.aclose()

    return wait(work())
