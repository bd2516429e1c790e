"""The ledger's state machine: a table of its transitions, and what no path through it may do."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.commands import Command, DeliverIntervention, QuietWindow, Recipient, WithdrawIntervention
from schemas.events import EVENT
from schemas.ledger import LedgerEntry, LedgerState
from schemas.units import Channel, DeliveryStatus, Priority, Stage
from streams.deliver import (
    DOUBT_RULES,
    TERMINAL,
    Answer,
    AnswerKind,
    Doubt,
    Step,
    answered,
    next_step,
    parked,
    receipt,
    resolve,
    settled,
    unsendable,
)  # fmt: skip
from streams.retry import RETRY_RULES

S = LedgerState
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def deliver(channel: Channel = Channel.EMAIL, **changes: object) -> DeliverIntervention:
    """A delivery, due within a day."""
    given_ = {
        "id": "iv-1", "tenant": "acme", "lead": "L1", "at": NOW, "channel": channel,
        "stage": Stage.ACTIVE_RISK, "episode": 1,
        "step": "first", "action": "personalised_email", "priority": Priority.HIGH, "template": "active_risk.email",
        "variables": {}, "recipient": Recipient(email="ana@example.com"), "deadline": NOW + DAY, "decision": "d-1",
        "policy_version": "1", "model_version": "rule",
    }  # fmt: skip
    return DeliverIntervention.model_validate(given_ | changes)


def withdraw(channel: Channel = Channel.EMAIL) -> WithdrawIntervention:
    """Its withdrawal."""
    return WithdrawIntervention(id="iv-1", tenant="acme", lead="L1", at=NOW, channel=channel, reason="opted out")


def entry(state: LedgerState, channel: Channel = Channel.EMAIL, **changes: object) -> LedgerEntry:
    """An entry after one attempt."""
    given_ = {
        "id": "iv-1", "tenant": "acme", "lead": "L1", "channel": channel, "state": state, "attempt": 1, "at": NOW,
        "command": deliver(channel), "retry_at": NOW if state is S.RETRY_AT else None,
    }  # fmt: skip
    return LedgerEntry.model_validate(given_ | changes)


NIGHT = QuietWindow(start_minute=11 * 60, end_minute=13 * 60, timezone="UTC")
NEXT = [
    # held, command, now, step, state
    (None, deliver(), NOW, Step.CALL, S.CLAIMED),
    (None, deliver(deadline=NOW), NOW, Step.WRITE, S.EXPIRED),
    (None, deliver(quiet=NIGHT), NOW, Step.WRITE, S.RETRY_AT),
    (None, deliver(quiet=NIGHT, deadline=NOW + timedelta(hours=1)), NOW, Step.WRITE, S.EXPIRED),
    (None, deliver(quiet=NIGHT), NOW + timedelta(hours=1), Step.CALL, S.CLAIMED),
    (None, withdraw(), NOW, Step.WRITE, S.SUPPRESSED),
    (entry(S.CLAIMED), deliver(), NOW, Step.WRITE, S.IN_DOUBT),
    (entry(S.CLAIMED), withdraw(), NOW, Step.WRITE, S.UNKNOWN),
    (entry(S.IN_DOUBT), deliver(), NOW, Step.WRITE, S.RETRY_AT),
    (entry(S.IN_DOUBT, in_doubt_resends=1), deliver(), NOW, Step.WRITE, S.UNKNOWN),
    (entry(S.IN_DOUBT), withdraw(), NOW, Step.WRITE, S.UNKNOWN),
    (entry(S.RETRY_AT, retry_at=NOW + DAY / 2), deliver(), NOW, Step.WAIT, S.RETRY_AT),
    (entry(S.RETRY_AT), deliver(), NOW, Step.CALL, S.CLAIMED),
    (entry(S.RETRY_AT), deliver(quiet=NIGHT), NOW, Step.WRITE, S.RETRY_AT),
    (entry(S.RETRY_AT), deliver(), NOW + DAY, Step.WRITE, S.EXPIRED),
    (entry(S.RETRY_AT, in_doubt_resends=1), deliver(), NOW + DAY, Step.WRITE, S.UNKNOWN),
    (entry(S.RETRY_AT), withdraw(), NOW, Step.WRITE, S.SUPPRESSED),
    (entry(S.RETRY_AT, in_doubt_resends=1), withdraw(), NOW, Step.WRITE, S.UNKNOWN),
    *[
        (entry(state), command, NOW, Step.TELL, state)
        for state in sorted(TERMINAL)
        for command in (deliver(), withdraw())
    ],
]


@pytest.mark.parametrize(("held", "command", "now", "step", "state"), NEXT)
def test_next_step(held: LedgerEntry | None, command: Command, now: datetime, step: Step, state: LedgerState) -> None:
    found = next_step(held, command, now)
    assert (found.step, found.entry.state) == (step, state)
    if step is Step.CALL:
        assert found.entry.attempt == (held.attempt if held else 0) + 1
    elif state in TERMINAL and step is Step.WRITE:
        assert found.entry.error


ANSWERS = [
    (Channel.EMAIL, AnswerKind.SENT, {}, S.SENT),
    (Channel.EMAIL, AnswerKind.REFUSED_PERMANENT, {}, S.REJECTED),
    (Channel.EMAIL, AnswerKind.REFUSED_PERMANENT, {"in_doubt_resends": 1}, S.UNKNOWN),
    (Channel.EMAIL, AnswerKind.REFUSED_TRANSIENT, {}, S.RETRY_AT),
    (Channel.EMAIL, AnswerKind.REFUSED_TRANSIENT, {"attempt": 4}, S.REJECTED),
    (Channel.EMAIL, AnswerKind.REFUSED_TRANSIENT, {"attempt": 4, "in_doubt_resends": 1}, S.UNKNOWN),
    (Channel.EMAIL, AnswerKind.IN_DOUBT, {}, S.IN_DOUBT),
    (Channel.EMAIL, AnswerKind.FENCED, {}, S.UNKNOWN),
    (Channel.IN_APP, AnswerKind.FENCED, {}, S.RETRY_AT),
    (Channel.PHONE, AnswerKind.REFUSED_TRANSIENT, {}, S.REJECTED),
]


@pytest.mark.parametrize(("channel", "kind", "held", "state"), ANSWERS)
def test_answers(channel: Channel, kind: AnswerKind, held: dict[str, object], state: LedgerState) -> None:
    claimed = entry(S.CLAIMED, channel, **held)
    after = answered(claimed, Answer(kind, provider="p", provider_id="7", error="busy"), NOW)
    assert after.state is state
    assert (after.provider, after.provider_id) == ("p", "7")
    assert (after.retry_at is not None) == (state is S.RETRY_AT)
    assert after.command is not None, "kept until the lead agent was told"


DOUBTS = [
    (channel, 0, {Doubt.NEVER: S.UNKNOWN, Doubt.ONCE: S.RETRY_AT, Doubt.REPLAY: S.RETRY_AT}[rule])
    for channel, rule in DOUBT_RULES.items()
]
DOUBTS += [
    (channel, 1, {Doubt.NEVER: S.UNKNOWN, Doubt.ONCE: S.UNKNOWN, Doubt.REPLAY: S.RETRY_AT}[rule])
    for channel, rule in DOUBT_RULES.items()
]


@pytest.mark.parametrize(("channel", "resends", "state"), DOUBTS)
def test_ways_out_of_a_doubt(channel: Channel, resends: int, state: LedgerState) -> None:
    after = resolve(entry(S.IN_DOUBT, channel, in_doubt_resends=resends), NOW)
    assert after.state is state
    assert after.in_doubt_resends == resends + (state is S.RETRY_AT)


def test_channels_that_reach_into_a_pocket_are_never_repeated() -> None:
    assert {channel for channel, rule in DOUBT_RULES.items() if rule is Doubt.NEVER} >= {
        Channel.SMS,
        Channel.PHONE,
        Channel.PUSH,
    }
    assert set(DOUBT_RULES) == set(Channel)


def test_no_repetition_after_the_deadline() -> None:
    late = entry(S.IN_DOUBT, command=deliver(deadline=NOW + timedelta(seconds=1)))
    assert resolve(late, NOW).state is S.UNKNOWN


def test_retry_after_of_the_provider_is_kept() -> None:
    hour = timedelta(hours=1)
    assert (
        answered(entry(S.CLAIMED), Answer(AnswerKind.REFUSED_TRANSIENT, retry_after=hour), NOW).retry_at == NOW + hour
    )


def test_parking_counts_no_attempt_and_minds_the_deadline() -> None:
    assert parked(None, deliver(), NOW, NOW + timedelta(hours=1), "redis_down").attempt == 0
    assert parked(None, deliver(), NOW, NOW + DAY, "redis_down").state is S.EXPIRED


def test_what_cannot_be_put_into_words_is_rejected() -> None:
    told = unsendable(None, deliver(), NOW, "template x is missing")
    assert (told.state, told.attempt, told.error) == (S.REJECTED, 0, "rejected: template x is missing")


@pytest.mark.parametrize(
    ("state", "sent_as", "status"),
    [
        (S.SENT, DeliveryStatus.DELIVERED, DeliveryStatus.DELIVERED),
        (S.SENT, DeliveryStatus.SENDING, DeliveryStatus.SENDING),
        (S.UNKNOWN, DeliveryStatus.DELIVERED, DeliveryStatus.SENDING),
        (S.REJECTED, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED),
        (S.EXPIRED, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED),
        (S.SUPPRESSED, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED),
    ],
)
def test_receipts(state: LedgerState, sent_as: DeliveryStatus, status: DeliveryStatus) -> None:
    told = receipt(entry(state, error="why"), sent_as)
    assert (told.id, told.status, told.intervention, told.at) == (f"rcpt-iv-1-{status}", status, "iv-1", NOW)
    assert EVENT.validate_json(told.model_dump_json()) == told, "the lead agent can read it"
    assert receipt(settled(entry(state, error="why")), sent_as) == told, "the same once settled"


def test_bugs_are_loud() -> None:
    with pytest.raises(ValueError, match="not claimed"):
        answered(entry(S.SENT), Answer(AnswerKind.SENT), NOW)
    with pytest.raises(ValueError, match="not in doubt"):
        resolve(entry(S.CLAIMED), NOW)
    with pytest.raises(ValueError, match="nothing to tell"):
        receipt(entry(S.CLAIMED), DeliveryStatus.SENDING)


@dataclass
class World:
    """A courier, its ledger and its provider, moved by hand. `reached` counts calls that may have reached the lead."""

    channel: Channel
    held: LedgerEntry | None = None
    now: datetime = NOW
    reached: int = 0
    refused: int = 0
    withdrawn: bool = False
    path: list[LedgerState] = field(default_factory=list)

    def note(self, after: LedgerEntry) -> None:
        """Write an entry; a finished one may not change."""
        if self.held is not None and self.held.state in TERMINAL:
            assert after.state is self.held.state
        self.held = after
        self.path.append(after.state)

    def move(self, action: str) -> None:
        """One thing that can happen."""
        if action == "withdraw":
            self.withdrawn = True
            self.note(next_step(self.held, withdraw(self.channel), self.now).entry)
            return
        if action == "time":
            self.now += timedelta(hours=2)
            return
        step = next_step(self.held, deliver(self.channel), self.now)
        self.note(step.entry)
        if step.step is not Step.CALL:
            if step.entry.state is S.IN_DOUBT:
                self.note(resolve(step.entry, self.now))
            return
        assert not self.withdrawn, "called after the withdrawal"
        assert self.now < NOW + DAY, "called after the deadline"
        if action == "crash":
            self.reached += 1  # for all that anybody knows
            return
        kind = AnswerKind(action)
        self.reached += kind in (AnswerKind.SENT, AnswerKind.IN_DOUBT)
        self.refused += kind in (AnswerKind.REFUSED_PERMANENT, AnswerKind.REFUSED_TRANSIENT)
        self.note(answered(step.entry, Answer(kind), self.now))


ACTIONS = ["sent", "refused_permanent", "refused_transient", "in_doubt", "crash", "withdraw", "time", "fenced"]


@given(st.sampled_from(list(Channel)), st.lists(st.sampled_from(ACTIONS), max_size=30))
def test_no_history_breaks_the_promise(channel: Channel, actions: list[str]) -> None:
    world = World(channel)
    for action in actions:
        world.move(action)
    rule = DOUBT_RULES[channel]
    if rule is Doubt.NEVER:
        assert world.reached <= 1
    if rule is Doubt.ONCE:
        assert world.reached <= 2
    assert world.reached + world.refused <= RETRY_RULES[channel].attempts
    if world.held is not None and world.reached:
        assert world.held.state not in (S.REJECTED, S.EXPIRED, S.SUPPRESSED), "another channel would say it again"
