"""`leadkeeper address …`: nobody is written to at this address any more, or again; and what is known of one."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.common import FAILED, USAGE, fail, fail_for, load, out, wait
from agents.settings import Settings
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from schemas.events import ReleaseAddress, SuppressAddress

app = typer.Typer(no_args_is_help=True, help="Addresses that nobody may be written to: suppress, release, check.")

Tenant = Annotated[str, typer.Argument(help="like acme")]
Address = Annotated[str, typer.Argument(help="an e-mail address, or a phone number like +14155550132")]
By = Annotated[str, typer.Option(help="who ordered it")]
At = Annotated[datetime | None, typer.Option(help="where the log carries its own time: from which moment on (UTC)")]
Reason = Annotated[str | None, typer.Option(help="why, in words")]


@app.command(epilog="Example: leadkeeper address suppress acme ann@example.com --by kim --reason 'asked on the phone'")
def suppress(tenant: Tenant, address: Address, by: By, reason: Reason = None, at: At = None) -> None:
    """No message goes to this address any more, whichever lead of the tenant has it."""
    _send(_order("suppress_address", tenant, address, by, reason, at))
    out.print("ordered; `leadkeeper address check` tells when it holds")


@app.command(epilog="Example: leadkeeper address release acme ann@example.com --by kim --reason 'signed up again'")
def release(tenant: Tenant, address: Address, by: By, reason: Reason = None, at: At = None) -> None:
    """Lift it, whatever it was for: an order, an erasure, an opt-out. Leads that refuse go on refusing for themselves."""
    _send(_order("release_address", tenant, address, by, reason, at))
    out.print("ordered; `leadkeeper address check` tells when it holds")


@app.command(epilog="Example: leadkeeper address check acme +14155550132")
def check(tenant: Tenant, address: Address) -> None:
    """Say by which channels the address may not be used, and why. Ends with 1 if there is one."""
    from agents.reading import read_topics
    from schemas import topics
    from streams.suppression import IN_WORDS, SuppressedAddresses, channels_of

    wanted, settings = _order("suppress_address", tenant, address, "check").address, load(Settings)
    known = SuppressedAddresses(settings.secrets())

    async def read() -> None:
        async for record in read_topics(settings.bootstrap, [settings.topic_prefix + topics.SUPPRESSIONS.name]):
            if record.key and record.value:
                known.take(record.key, record.value)

    try:
        wait(read())
    except LeadkeeperError as error:
        fail_for(error)
    found = [(channel, cause) for channel in channels_of(wanted) for cause in known.causes(tenant, channel, wanted)]
    for channel, cause in found:
        out.print(f"suppressed by {channel}: {IN_WORDS[cause]} ({cause})")
    if found:
        raise typer.Exit(FAILED)
    out.print("not suppressed")


def _order(
    kind: str, tenant: str, address: str, by: str, reason: str | None = None, at: datetime | None = None
) -> "SuppressAddress | ReleaseAddress":
    from uuid import uuid4

    from pydantic import ValidationError

    from schemas.events import ReleaseAddress, SuppressAddress

    of = SuppressAddress if kind == "suppress_address" else ReleaseAddress
    told = {"id": f"cli-{uuid4().hex}", "tenant": tenant, "address": address, "by": by, "reason": reason}
    try:
        return of.model_validate({"type": kind, "at": at.replace(tzinfo=UTC) if at else datetime.now(UTC), **told})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        fail(USAGE, f"{first['loc'][0]}: {first['msg'].removeprefix('Value error, ')}")


def _send(order: "SuppressAddress | ReleaseAddress") -> None:
    from agents.orders import Keyed, send

    try:
        wait(send(load(Settings), [Keyed(order.tenant, order)]))
    except LeadkeeperError as error:
        fail_for(error)
