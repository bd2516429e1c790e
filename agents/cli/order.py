"""`leadkeeper order …`: what operators order about a lead, as events in the inbox; and what there is to order about."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from agents.cli.common import NOT_FOUND, USAGE, fail, fail_for, load, out, wait
from agents.settings import Settings
from schemas.errors import LeadkeeperError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from agents.orders import Keyed
    from schemas.decisions import Decided

T = TypeVar("T")
app = typer.Typer(
    no_args_is_help=True, help="Orders about leads: trigger, approve, cancel, escalate, acknowledge, snooze, resolve."
)

Tenant = Annotated[str, typer.Argument(help="like acme")]
Lead = Annotated[str, typer.Argument(help="the lead's id within the tenant")]
By = Annotated[str, typer.Option(help="who orders it")]
At = Annotated[datetime | None, typer.Option(help="where the log carries its own time: when (UTC)")]
Escalation = Annotated[str | None, typer.Argument(help="its id; left out: the lead's only open one")]
Reason = Annotated[str | None, typer.Option(help="why, in words")]
TOGETHER = 500
"""Orders that are sent at once."""


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no day and no time: write one (UTC), like 2026-12-01 or 2026-12-01T09:00"
        ) from None
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at


@app.command(epilog="Example: leadkeeper order trigger acme L-1001 --stage active_risk --by kim")
def trigger(
    tenant: Tenant,
    lead: Lead,
    stage: Annotated[str, typer.Option(help="whose playbook: early_warning, active_risk or critical_risk")],
    by: By,
    action: Annotated[str | None, typer.Option(help="this action instead of the playbook, like immediate_call")] = None,
    channel: Annotated[str | None, typer.Option(help="of the action, like crm_task")] = None,
    template: Annotated[str | None, typer.Option(help="of the action, like critical_risk.crm_task")] = None,
    within_hours: Annotated[float, typer.Option(help="until when the action is of use")] = 48.0,
    at: At = None,
) -> None:
    """Begin the playbook of a stage, or one action of your own. The arbiter still judges each step."""
    own = {"action": action, "channel": channel, "template": template}
    if any(own.values()) and not all(own.values()):
        fail(USAGE, "an action of your own needs --action, --channel and --template")
    actions = [own | {"within_hours": within_hours}] if action else []
    _order("trigger_intervention", tenant, lead, at, known=True, stage=stage, by=by, actions=actions)


@app.command(epilog="Example: leadkeeper order campaign acme L-1001 spring_checkup --by kim")
def campaign(
    tenant: Tenant, lead: Lead, name: Annotated[str, typer.Argument(help="of the policy's")], by: By, at: At = None
) -> None:
    """Begin a campaign for this lead, whomever it is meant for. The arbiter still judges each step."""
    _order("begin_campaign", tenant, lead, at, known=True, campaign=name, by=by)


@app.command(epilog="Example: leadkeeper order cancel acme L-1001 --by kim --reason 'spoke to her'")
def cancel(tenant: Tenant, lead: Lead, by: By, reason: Reason = None, at: At = None) -> None:
    """Stop all that is planned for the lead, and take back what is not out yet."""
    _order("cancel_interventions", tenant, lead, at, known=True, by=by, reason=reason)


@app.command(epilog="Example: leadkeeper order escalate acme L-1001 --by kim --reason 'asks for a manager'")
def escalate(
    tenant: Tenant, lead: Lead, by: By, reason: Annotated[str, typer.Option(help="why, in words")], at: At = None
) -> None:
    """Ask the first of the chain to step in. It overrides the cooldown of escalations by rules."""
    _order("escalate_lead", tenant, lead, at, known=True, by=by, reason=reason)


@app.command(epilog="Example: leadkeeper order escalations acme")
def escalations(tenant: Tenant, lead: Annotated[str | None, typer.Argument(help="only of this one")] = None) -> None:
    """List the escalations that nobody has resolved, the oldest first."""
    from agents.orders import escalations as unresolved

    found = _ask(unresolved(load(Settings), tenant, lead))
    for one in found:
        by_when = f", by {one.acknowledge_by:%Y-%m-%d %H:%M}" if one.acknowledge_by else ""
        out.print(
            f"[bold]{one.opened_at:%Y-%m-%d %H:%M}[/]  {one.lead}  {one.status}, {one.target}{by_when}", soft_wrap=True
        )
        out.print(f"  {one.id}  {one.probability:.0%}: {one.reason}", markup=False, soft_wrap=True)
    if not found:
        out.print("no escalation is open")


@app.command(epilog="Example: leadkeeper order acknowledge acme L-1001 --by kim")
def acknowledge(tenant: Tenant, lead: Lead, by: By, escalation: Escalation = None, at: At = None) -> None:
    """Take an escalation on: nobody else is asked."""
    _order("acknowledge_escalation", tenant, lead, at, escalation=_escalation(tenant, lead, escalation), by=by)


@app.command(epilog="Example: leadkeeper order snooze acme L-1001 --by kim --until 2026-12-01 --reason 'on holiday'")
def snooze(
    tenant: Tenant,
    lead: Lead,
    by: By,
    until: Annotated[
        datetime, typer.Option(parser=_time, metavar="TIME", help="when it comes up again (UTC), like 2026-12-01T09:00")
    ],
    reason: Annotated[str, typer.Option(help="why, in words")],
    escalation: Escalation = None,
    at: At = None,
) -> None:
    """Look at an escalation later; until then nobody else is asked."""
    found, when = _escalation(tenant, lead, escalation), until.replace(tzinfo=UTC)
    if when <= _moment(at):
        fail(USAGE, f"--until {until:%Y-%m-%d %H:%M} is over; name a time to come")
    _order("snooze_escalation", tenant, lead, at, escalation=found, by=by, until=when, reason=reason)


@app.command(epilog="Example: leadkeeper order resolve acme L-1001 --by kim --outcome 'will renew'")
def resolve(
    tenant: Tenant,
    lead: Lead,
    by: By,
    outcome: Annotated[str, typer.Option(help="what came of it, in words")],
    escalation: Escalation = None,
    at: At = None,
) -> None:
    """Be done with an escalation."""
    found = _escalation(tenant, lead, escalation)
    _order("resolve_escalation", tenant, lead, at, escalation=found, by=by, outcome=outcome)


@app.command(epilog="Example: leadkeeper order waiting acme")
def waiting(tenant: Tenant, lead: Annotated[str | None, typer.Argument(help="only of this one")] = None) -> None:
    """List the steps that wait for a person's yes, the oldest first."""
    found = _waiting(tenant, lead)
    for one in found:
        until = f"{one.until:%Y-%m-%d %H:%M}" if one.until else ""
        out.print(f"[bold]{one.lead}[/]  {one.step} by {one.channel}, until {until} ({one.rule})", soft_wrap=True)
        out.print(f"  {one.intervention}  {one.detail}", markup=False, soft_wrap=True)
    if not found:
        out.print("no step waits for a yes")


@app.command(epilog="Example: leadkeeper order approve acme L-1001 --by kim")
def approve(
    tenant: Tenant,
    lead: Lead,
    by: By,
    intervention: Annotated[str | None, typer.Argument(help="its id; left out: the only one that waits")] = None,
    yes: Annotated[bool, typer.Option("--yes/--no", help="agree, or do not")] = True,
    reason: Reason = None,
    at: At = None,
) -> None:
    """Agree to a step that waits for it, or not."""
    found = [one.intervention or "" for one in _waiting(tenant, lead)]
    name = _the_one(found, intervention, f"step of {tenant}:{lead} waits for a yes", f"waiting {tenant} {lead}")
    _order("approve_intervention", tenant, lead, at, intervention=name, approved=yes, by=by, reason=reason)


@app.command(
    name="approve-waiting", epilog="Example: leadkeeper order approve-waiting acme --by kim --step a_note --most 50"
)
def approve_waiting(
    tenant: Tenant,
    by: By,
    step: Annotated[str | None, typer.Option(help="only steps of this name")] = None,
    rule: Annotated[str | None, typer.Option(help="only what waits by this rule: approval or blast_radius")] = None,
    most: Annotated[int | None, typer.Option(min=1, help="so many, the oldest first")] = None,
    yes: Annotated[bool, typer.Option("--yes/--no", help="agree, or do not")] = True,
    reason: Reason = None,
    at: At = None,
) -> None:
    """Agree to all steps of a tenant that wait for it, or to some; each lead by an order of its own."""
    found = [one for one in _waiting(tenant, None) if step in (None, one.step) and rule in (None, one.rule)][:most]
    if not found:
        fail(NOT_FOUND, f"no such step waits for a yes; `leadkeeper order waiting {tenant}` lists what does")
    told = {"approved": yes, "by": by, "reason": reason}
    _send([_made("approve_intervention", tenant, d.lead, at, intervention=d.intervention, **told) for d in found])
    out.print(f"ordered: {'yes' if yes else 'no'} to {len(found):,} {'step' if len(found) == 1 else 'steps'}")


def _waiting(tenant: str, lead: str | None) -> "list[Decided]":
    from agents.orders import waiting as asked

    return _ask(asked(load(Settings), tenant, lead))


def _escalation(tenant: str, lead: str, given: str | None) -> str:
    from agents.orders import escalations as unresolved

    found = [one.id for one in _ask(unresolved(load(Settings), tenant, lead))]
    return _the_one(found, given, f"escalation of {tenant}:{lead} is open", f"escalations {tenant} {lead}")


def _the_one(there: list[str], given: str | None, what: str, look: str) -> str:
    """The one that was named, or the only one there is; else ends with 66, or with 64 where one has to be named."""
    if not there:
        fail(NOT_FOUND, f"no {what}")
    if given is None and len(there) > 1:
        fail(USAGE, f"{len(there)} are there, name one: `leadkeeper order {look}` lists them")
    if given is not None and given not in there:
        fail(NOT_FOUND, f"no {what} with the id {given}; `leadkeeper order {look}` lists them")
    return given or there[0]


def _order(kind: str, tenant: str, lead: str, at: datetime | None, *, known: bool = False, **fields: Any) -> None:
    from agents.orders import is_held

    order = _made(kind, tenant, lead, at, **fields)
    if known and not _ask(is_held(load(Settings), tenant, lead)):
        fail(NOT_FOUND, f"nothing is known of {tenant}:{lead}; correct the tenant or the lead's id")
    _send([order])
    out.print(
        f"ordered; `leadkeeper why {tenant} {lead}` tells what comes of it, step by step as each is due", soft_wrap=True
    )


def _made(kind: str, tenant: str, lead: str, at: datetime | None, **fields: Any) -> "Keyed":
    """The order as an event; what is wrong with it ends with 64."""
    import json
    from uuid import uuid4

    from pydantic import ValidationError

    from agents.orders import Keyed
    from schemas.events import EVENT

    if not fields["by"].strip():
        fail(USAGE, "--by is empty: say who orders it")
    told = {"v": 1, "type": kind, "id": f"cli-{uuid4().hex}", "tenant": tenant, "lead": lead, "at": _moment(at)}
    try:
        text = json.dumps(told | {k: v for k, v in fields.items() if v is not None}, default=datetime.isoformat)
        return Keyed(f"{tenant}:{lead}", EVENT.validate_json(text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"][1:] if not isinstance(part, int))
        fail(USAGE, f"{name}: {first['input']!r} is not possible: {first['msg'].removeprefix('Value error, ')}")


def _moment(at: datetime | None) -> datetime:
    return at.replace(tzinfo=UTC) if at else datetime.now(UTC)


def _send(orders: "Sequence[Keyed]") -> None:
    from agents.orders import send

    settings = load(Settings)
    for start in range(0, len(orders), TOGETHER):
        _ask(send(settings, orders[start : start + TOGETHER]))


def _ask(question: "Coroutine[Any, Any, T]") -> T:
    """Wait for it; a topic that is not there ends with 69."""
    with out.status("reading the topics ..."):
        try:
            return wait(question)
        except LeadkeeperError as error:
            fail_for(error)
