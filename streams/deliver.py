"""What a courier does with a command: the state machine of the ledger.

    (none) ─────► CLAIMED ───► SENT                       the provider took it
      │  ▲           ├───────► REJECTED                   refused for good, or no attempt left
      │  └ RETRY_AT ◄┤                                    refused for now, or quiet hours
      │       │      └───────► IN_DOUBT ──► RETRY_AT      the channel allows a repetition
      ├───────┴► EXPIRED                └─► UNKNOWN       it does not: a person has to look
      └────────► SUPPRESSED                               withdrawn before it was out, or its address is suppressed

CLAIMED is durable before the provider is called. Whoever meets CLAIMED again (a crash in between) cannot know whether
the call was made: that is IN_DOUBT, as is an answer that never came. Two laws follow, and are property tests:
what may not be repeated is never called twice, and what was once in doubt ends as SENT or UNKNOWN, never as a failure
that would make another channel send the same thing again.

An entry holds its command as long as something remains to be done: call again, or tell the lead agent. Then `settled`
drops it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from schemas.commands import Command, DeliverIntervention, WithdrawIntervention
from schemas.events import Receipt
from schemas.ledger import LedgerEntry, LedgerState
from schemas.units import Channel, DeliveryStatus
from streams.quiet_hours import quiet_until
from streams.retry import RETRY_RULES, next_attempt
from streams.suppression import REFUSED

TERMINAL = frozenset(
    {LedgerState.SENT, LedgerState.REJECTED, LedgerState.UNKNOWN, LedgerState.EXPIRED, LedgerState.SUPPRESSED}
)
DOUBT_PAUSE = timedelta(seconds=30)
"""Before a doubtful message is repeated: time for a late answer or for a withdrawal that is on its way."""
ERROR_LENGTH = 200


class AnswerKind(StrEnum):
    """What a provider's answer means for us."""

    SENT = "sent"
    REFUSED_PERMANENT = "refused_permanent"
    REFUSED_TRANSIENT = "refused_transient"
    IN_DOUBT = "in_doubt"
    FENCED = "fenced"
    """Not an answer of the provider: another courier already made this very attempt."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's answer, classified by the channel adapter."""

    kind: AnswerKind
    provider: str | None = None
    provider_id: str | None = None
    error: str | None = None
    retry_after: timedelta | None = None


class Doubt(StrEnum):
    """What to do when nobody knows whether the message went out."""

    NEVER = "never"
    """Never repeat by ourselves: a second text message or call is worse than none."""
    ONCE = "once"
    """Repeat once at most."""
    REPLAY = "replay"
    """Repeat like a refused one: the receiver recognises the id."""


DOUBT_RULES: dict[Channel, Doubt] = {
    Channel.EMAIL: Doubt.ONCE,
    Channel.SMS: Doubt.NEVER,
    Channel.PHONE: Doubt.NEVER,
    Channel.PUSH: Doubt.NEVER,
    Channel.IN_APP: Doubt.REPLAY,
    Channel.AGENT_ALERT: Doubt.ONCE,
    Channel.CRM_WORKFLOW: Doubt.NEVER,
    Channel.CRM_TASK: Doubt.NEVER,
    Channel.WEBHOOK: Doubt.REPLAY,
}


class Step(StrEnum):
    """What to do next with a command."""

    CALL = "call"
    """Write the entry (CLAIMED), then call the provider."""
    WRITE = "write"
    """Write the entry; if it is terminal, tell the lead agent."""
    TELL = "tell"
    """Nothing new: tell the lead agent once more (same id), do not call."""
    WAIT = "wait"
    """Nothing yet: the entry's `retry_at` is still to come."""


@dataclass(frozen=True, slots=True)
class Next:
    """A step and the entry that goes with it."""

    step: Step
    entry: LedgerEntry


def next_step(entry: LedgerEntry | None, command: Command, now: datetime, pause: timedelta = DOUBT_PAUSE) -> Next:
    """Decide what to do with a command, new or seen before.

    Args:
        entry: What the ledger has for its id; None for nothing.
        command: A delivery, or the withdrawal of one.
        now: The courier's time; in a replay the command's own.
        pause: Before a doubtful message is repeated.
    """
    if entry is not None and entry.state in TERMINAL:
        return Next(Step.TELL, entry)
    if isinstance(command, WithdrawIntervention):
        return Next(Step.WRITE, _withdrawn(entry, command, now))
    if entry is not None and entry.state is LedgerState.CLAIMED:
        return Next(Step.WRITE, _doubtful(entry, now, "stopped between claim and answer"))
    if entry is not None and entry.state is LedgerState.IN_DOUBT:
        return Next(Step.WRITE, resolve(entry, now, pause))
    if entry is not None and entry.retry_at is not None and now < entry.retry_at:
        return Next(Step.WAIT, entry)
    base = (entry or _first(command, now)).model_copy(update={"command": command})
    if now >= command.deadline:
        return Next(
            Step.WRITE, _ended(base, LedgerState.EXPIRED, now, f"expired: deadline {command.deadline.isoformat()}")
        )
    if command.quiet is not None and (until := quiet_until(now, command.quiet)) > now:
        return Next(Step.WRITE, parked(base, command, now, until, "quiet_hours"))
    return Next(Step.CALL, _moved(base, LedgerState.CLAIMED, now, attempt=base.attempt + 1, error=None))


def parked(
    entry: LedgerEntry | None, command: DeliverIntervention, now: datetime, until: datetime, why: str
) -> LedgerEntry:
    """Put a command off without counting an attempt: quiet hours, or something of ours is down.

    Past its deadline at `until`, the command expires now: nobody has to wait to learn that.
    """
    base = (entry or _first(command, now)).model_copy(update={"command": command})
    if until >= command.deadline:
        return _ended(base, LedgerState.EXPIRED, now, f"expired: {why} until after the deadline")
    return _moved(base, LedgerState.RETRY_AT, now, retry_at=until, error=why)


def unsendable(entry: LedgerEntry | None, command: DeliverIntervention, now: datetime, error: str) -> LedgerEntry:
    """The entry of a command that cannot be put into words: no call was made, none can succeed."""
    base = (entry or _first(command, now)).model_copy(update={"command": command})
    return _ended(base, LedgerState.REJECTED, now, f"rejected: {error}")


def refused(entry: LedgerEntry | None, command: DeliverIntervention, now: datetime, why: str) -> LedgerEntry:
    """The entry of a command to an address that may not be written to: no call was made."""
    base = (entry or _first(command, now)).model_copy(update={"command": command})
    return _ended(base, LedgerState.SUPPRESSED, now, f"{REFUSED} {why}")


def answered(entry: LedgerEntry, answer: Answer, now: datetime) -> LedgerEntry:
    """The entry after the provider's answer to a claimed call.

    Raises:
        ValueError: The entry is not CLAIMED; a call without a claim is a bug.
    """
    if entry.state is not LedgerState.CLAIMED or entry.command is None:
        raise ValueError(f"{entry.id}: answer to a call that was not claimed (state {entry.state})")
    told = entry.model_copy(update={"provider": answer.provider, "provider_id": _short(answer.provider_id)})
    error = answer.error or answer.kind.value
    match answer.kind:
        case AnswerKind.SENT:
            return _moved(told, LedgerState.SENT, now, error=None)
        case AnswerKind.REFUSED_PERMANENT:
            return _ended(told, LedgerState.REJECTED, now, f"rejected: {error}")
        case AnswerKind.REFUSED_TRANSIENT:
            return _again(told, now, error, answer.retry_after)
        case AnswerKind.IN_DOUBT:
            return _doubtful(told, now, error)
        case AnswerKind.FENCED:
            if DOUBT_RULES[entry.channel] is Doubt.REPLAY:
                return _again(told, now, error)
            return _moved(told, LedgerState.UNKNOWN, now, error=f"in_doubt: {error}")


def resolve(entry: LedgerEntry, now: datetime, pause: timedelta = DOUBT_PAUSE) -> LedgerEntry:
    """The way out of IN_DOUBT, by the channel's rule: a repetition, or UNKNOWN for a person to look at.

    Raises:
        ValueError: The entry is not IN_DOUBT.
    """
    if entry.state is not LedgerState.IN_DOUBT or entry.command is None:
        raise ValueError(f"{entry.id}: not in doubt (state {entry.state})")
    error = entry.error or "in_doubt"
    rule = DOUBT_RULES[entry.channel]
    again = now + pause
    if rule is Doubt.ONCE and entry.in_doubt_resends == 0 and again < entry.command.deadline:
        return _moved(entry, LedgerState.RETRY_AT, now, retry_at=again, in_doubt_resends=1, error=error)
    if rule is Doubt.REPLAY:
        doubted = entry.model_copy(update={"in_doubt_resends": entry.in_doubt_resends + 1})
        return _again(doubted, now, error)
    return _moved(entry, LedgerState.UNKNOWN, now, error=error)


def settled(entry: LedgerEntry) -> LedgerEntry:
    """The entry of a finished command once the lead agent was told: nothing remains to be done."""
    return entry.model_copy(update={"command": None})


def receipt(entry: LedgerEntry, sent_status: DeliveryStatus) -> Receipt:
    """What the lead agent is told about a finished command; the same bytes whenever it is told again.

    `error` starts with one of `rejected:`, `exhausted:` (status failed: another channel may be tried), `expired:` (status
    failed: too late for any channel), `withdrawn:` (status failed: not sent, as ordered), `suppressed:` (status failed: the
    address may not be written to) or `in_doubt:` (status sending: it may have arrived).

    Args:
        entry: A terminal one.
        sent_status: What SENT means on this channel: `delivered` only where the channel really delivers.

    Raises:
        ValueError: The entry is not terminal.
    """
    if entry.state not in TERMINAL:
        raise ValueError(f"{entry.id}: nothing to tell yet (state {entry.state})")
    status = {LedgerState.SENT: sent_status, LedgerState.UNKNOWN: DeliveryStatus.SENDING}.get(
        entry.state, DeliveryStatus.FAILED
    )
    return Receipt(
        id=f"rcpt-{entry.id}-{status}", tenant=entry.tenant, lead=entry.lead, at=entry.at, source="courier",
        type="receipt", intervention=entry.id, channel=entry.channel, status=status,
        provider=entry.provider, provider_id=entry.provider_id, error=entry.error,
    )  # fmt: skip


def _first(command: Command, now: datetime) -> LedgerEntry:
    return LedgerEntry(
        id=command.id, tenant=command.tenant, lead=command.lead, channel=command.channel,
        state=LedgerState.RETRY_AT, attempt=0, at=now,
    )  # fmt: skip


def _moved(entry: LedgerEntry, state: LedgerState, now: datetime, **changes: object) -> LedgerEntry:
    error = changes.pop("error", entry.error)
    update = {"state": state, "at": now, "retry_at": None, "error": _short(error), **changes}
    return entry.model_copy(update=update)


def _ended(entry: LedgerEntry, state: LedgerState, now: datetime, error: str) -> LedgerEntry:
    if entry.in_doubt_resends:
        return _moved(
            entry, LedgerState.UNKNOWN, now, error=f"in_doubt: an earlier call may have gone through; {error}"
        )
    return _moved(entry, state, now, error=error)


def _again(entry: LedgerEntry, now: datetime, error: str, retry_after: timedelta | None = None) -> LedgerEntry:
    assert entry.command is not None
    rule = RETRY_RULES[entry.channel]
    at = next_attempt(entry.id, entry.attempt, now, entry.command.deadline, rule, retry_after)
    if at is None:
        return _ended(
            entry, LedgerState.REJECTED, now, f"exhausted: {entry.attempt} of {rule.attempts} attempts, {error}"
        )
    return _moved(entry, LedgerState.RETRY_AT, now, retry_at=at, error=error)


def _doubtful(entry: LedgerEntry, now: datetime, error: str) -> LedgerEntry:
    return _moved(entry, LedgerState.IN_DOUBT, now, error=f"in_doubt: {error}")


def _withdrawn(entry: LedgerEntry | None, order: WithdrawIntervention, now: datetime) -> LedgerEntry:
    error = f"withdrawn: {order.reason}"
    if entry is None:
        return _moved(_first(order, now), LedgerState.SUPPRESSED, now, error=error)
    if entry.state in (LedgerState.CLAIMED, LedgerState.IN_DOUBT):
        return _moved(entry, LedgerState.UNKNOWN, now, error=f"in_doubt: {error}, but a call may have gone through")
    return _ended(entry, LedgerState.SUPPRESSED, now, error)


def _short(text: object) -> str | None:
    return None if text is None else str(text)[:ERROR_LENGTH]
