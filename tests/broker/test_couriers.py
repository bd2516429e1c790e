"""Couriers as real processes with broker, Redis and providers as real: what is sent, how often, and what is told."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from redis.asyncio import Redis

from agents.couriers.listing import in_doubt, read_ledger
from schemas import topics as names
from schemas.commands import QuietWindow, Recipient
from schemas.dead_letters import DeadLetter
from schemas.units import Channel
from tests.broker.courier_world import OwnRedis, World, deliver, withdraw
from tests.polling import eventually

pytestmark = pytest.mark.broker
MakeWorld = Callable[..., World]


def test_a_command_becomes_a_mail_a_receipt_and_a_ledger_entry(world: MakeWorld) -> None:
    w = world(Channel.EMAIL)
    box = w.mailbox()
    w.write(*(deliver(n) for n in range(1, 21)))
    w.courier(unsubscribe_url="https://example.com/u")
    w.write(deliver(21), partition=1)
    mails = box.wait(21)
    assert Counter(mail["intervention"] for mail in mails) == Counter(f"iv-{n}" for n in range(1, 22))
    receipts = w.receipts(21)
    assert {(r["id"], r["status"], r["channel"]) for r in receipts} == {
        (f"rcpt-iv-{n}-delivered", "delivered", "email") for n in range(1, 22)
    }
    # Told with the lead's key, on the lead's partition.
    keys = {(record.key, record.partition) for record in w.records(names.EVENTS, 21)}
    assert keys == {(f"acme:L{n}".encode(), int(n == 21)) for n in range(1, 22)}
    assert w.history(3, number=21) == ["claimed", "sent", "sent"]  # the last without its command: nothing left to do
    mail = message_from_bytes((box.folder / mails[0]["file"]).read_bytes(), policy=policy.default)
    number = mails[0]["intervention"]
    assert mail["Message-ID"] == f"<{number}@example.com>"
    assert mail["List-Unsubscribe"] == f"<https://example.com/u?i={number}>"
    body = mail.get_body(("plain",))
    assert body is not None
    assert "Hi Ana" in body.get_content()


def test_a_redelivered_command_is_told_again_and_never_sent_again(world: MakeWorld) -> None:
    w = world(Channel.EMAIL)
    box = w.mailbox()
    first = w.courier()
    w.write(deliver(1))
    box.wait(1)
    w.receipts(1)
    w.write(deliver(1))
    again = w.receipts(2)
    assert again[0] == again[1], "the same bytes, so the lead agent knows it"
    first.stop()
    w.courier()
    w.write(deliver(1), deliver(2))
    assert [r["intervention"] for r in w.receipts(4)] == ["iv-1", "iv-1", "iv-1", "iv-2"]
    assert [mail["intervention"] for mail in box.index()] == ["iv-1", "iv-2"]


def test_killed_between_claim_and_answer_a_mail_is_repeated_once_and_listed(world: MakeWorld) -> None:
    """The server takes the mail and never answers; the courier is killed while it waits, twice."""
    w = world(Channel.EMAIL)
    box = w.mailbox("--fail", "hang=1")
    courier = w.courier()
    w.write(deliver(1))
    box.wait(1)
    courier.kill()
    assert w.until("claimed") == ["claimed"]
    courier = w.courier()
    assert w.until("in_doubt")[:2] == ["claimed", "in_doubt"]
    box.wait(2)
    courier.kill()
    w.courier()
    w.until("unknown")
    told = w.receipts(1)[0]
    assert (told["status"], told["error"].split(":")[0]) == ("sending", "in_doubt")
    assert len(box.index()) == 2
    assert len({mail["message_id"] for mail in box.index()}) == 1, "mail programs can see that it is the same"
    listed = in_doubt(asyncio.run(read_ledger(w.broker.bootstrap, w.prefix + names.LEDGER.name)))
    assert [(entry.id, entry.state.value, entry.in_doubt_resends) for entry in listed] == [("iv-1", "unknown", 1)]


def test_a_call_that_another_courier_has_made_is_not_made_again(world: MakeWorld, redis_url: str) -> None:
    """As after a lost ledger, or with two owners of one partition: the fence knows of the call, the ledger does not."""
    w = world(Channel.EMAIL)
    box = w.mailbox()

    async def made_elsewhere() -> None:
        redis = Redis.from_url(redis_url)
        await redis.set(f"{w.prefix}fence:iv-1:1", "somebody else")
        await redis.aclose()

    asyncio.run(made_elsewhere())
    w.courier()
    w.write(deliver(1), deliver(2))
    told = {r["intervention"]: (r["status"], r["error"]) for r in w.receipts(2)}
    assert told["iv-1"] == ("sending", "in_doubt: another courier has made this call")
    assert [mail["intervention"] for mail in box.index()] == ["iv-2"]


def test_without_redis_nothing_is_sent_and_then_everything(world: MakeWorld, tmp_path: Path) -> None:
    redis = OwnRedis(tmp_path)
    redis.start()
    try:
        w = world(Channel.EMAIL, redis.url)
        box = w.mailbox()
        w.courier()
        w.write(deliver(1))
        box.wait(1)
        redis.stop()
        soon = datetime.now(UTC) + timedelta(seconds=3)
        w.write(deliver(2), deliver(3, deadline=soon), deliver(4), withdraw(4))
        w.until("expired", number=3)
        assert w.until("suppressed", number=4)[-1] == "suppressed", "an opt-out needs no Redis"
        assert w.until("retry_at", number=2) == ["retry_at"]
        assert len(box.index()) == 1
        redis.start()
        assert [mail["intervention"] for mail in box.wait(2)] == ["iv-1", "iv-2"]
        assert w.until("sent", number=2)[:3] == ["retry_at", "claimed", "sent"]
    finally:
        redis.stop()


def test_a_withdrawal_beats_a_waiting_retry(world: MakeWorld) -> None:
    w = world(Channel.EMAIL)
    box = w.mailbox("--fail", "later=1")
    w.courier()
    w.write(deliver(1))
    assert w.until("retry_at") == ["claimed", "retry_at"]
    w.write(withdraw(1))
    assert w.until("suppressed")[:3] == ["claimed", "retry_at", "suppressed"]
    told = w.receipts(1)[0]
    assert (told["status"], told["error"]) == ("failed", "withdrawn: opted out")
    assert box.index() == []


def test_a_withdrawal_further_down_the_backlog_beats_its_delivery(world: MakeWorld) -> None:
    """More records than a round holds lie between them, so they arrive in different rounds."""
    w = world(Channel.EMAIL)
    box = w.mailbox()
    other = deliver(2)
    w.write(deliver(1), *(other for _ in range(1200)), withdraw(1))
    w.courier()
    box.wait(1)
    assert w.until("suppressed")[-1] == "suppressed"
    w.until("sent", number=2)
    assert [mail["intervention"] for mail in box.index()] == ["iv-2"]


def test_quiet_hours_put_off_and_deadlines_end(world: MakeWorld) -> None:
    w = world(Channel.EMAIL)
    box = w.mailbox()
    minute = datetime.now(UTC).hour * 60 + datetime.now(UTC).minute
    now_quiet = QuietWindow(start_minute=(minute - 5) % 1440, end_minute=(minute + 30) % 1440, timezone="UTC")
    late = datetime.now(UTC) - timedelta(seconds=1)
    w.courier()
    w.write(deliver(1, quiet=now_quiet), deliver(2, deadline=late), deliver(3))
    assert w.until("retry_at") == ["retry_at"]
    assert w.until("expired", number=2)[0] == "expired"
    box.wait(1)
    assert [mail["intervention"] for mail in box.index()] == ["iv-3"]


def test_a_replay_is_judged_by_its_own_time(world: MakeWorld) -> None:
    w = world(Channel.EMAIL)
    box = w.mailbox()
    then = datetime(1998, 3, 1, 12, tzinfo=UTC)
    night = QuietWindow(start_minute=11 * 60, end_minute=13 * 60, timezone="UTC")
    w.courier(clock="event")
    w.write(
        deliver(1, at=then, deadline=then + timedelta(hours=1)),
        deliver(2, at=then, deadline=then + timedelta(days=2), quiet=night),
    )
    box.wait(1)
    assert w.receipts(1)[0]["at"] == "1998-03-01T12:00:00Z"
    assert w.until("retry_at", number=2) == ["retry_at"]
    w.write(deliver(3, at=then + timedelta(hours=2), deadline=then + timedelta(days=2)))
    assert {mail["intervention"] for mail in box.wait(3)} == {"iv-1", "iv-2", "iv-3"}
    at = {r["intervention"]: r["at"] for r in w.receipts(3)}
    assert at["iv-2"] == "1998-03-01T13:00:00Z", "when its quiet hours ended"


def test_what_is_no_command_goes_to_the_dead_letters(world: MakeWorld) -> None:
    w = world(Channel.EMAIL)
    box = w.mailbox()
    good = deliver(1)
    text = good.model_dump(mode="json")
    key = b"acme:L1"

    def changed(**changes: object) -> bytes:
        return json.dumps(text | changes).encode()

    bad: list[tuple[bytes | None, bytes | None, str, str]] = [
        (None, changed(), "null_key", "key"),
        (key, None, "null_value", "value"),
        (key, b"{", "not_json", "value"),
        (key, b"\xff\xfe", "not_utf8", "value"),
        (key, b"[1]", "not_an_object", "value"),
        (key, b"{}", "missing_field", "value"),
        (key, changed(type="dance"), "unknown_type", "value"),
        (key, changed(v=9), "unknown_version", "v"),
        (key, changed(template=None), "wrong_type", "template"),
        (key, json.dumps({k: v for k, v in text.items() if k != "deadline"}).encode(), "missing_field", "deadline"),
        (key, changed(deadline="2026-01-01T00:00:00"), "invalid_value", "deadline"),
        (key, changed(channel="sms"), "invalid_value", "channel"),
        (key, changed(id="x" * 120), "invalid_value", "id"),
        (key, changed(extra=1), "invalid_value", "extra"),
        (
            key,
            changed(quiet={"start_minute": 0, "end_minute": 60, "timezone": "Mars/Base"}),
            "invalid_value",
            "quiet.timezone",
        ),
        (b"acme:L2", changed(), "key_mismatch", "key"),
    ]
    w.courier()
    w.write(*((k, v) for k, v, _, _ in bad), good)
    box.wait(1)
    dead = w.records(names.INTERVENTIONS_DLQ[Channel.EMAIL], len(bad))
    letters = [DeadLetter.from_headers(record.headers) for record in dead]
    assert [(r.key, r.value, letter.reason.value, letter.field) for r, letter in zip(dead, letters, strict=True)] == bad
    assert [letter.offset for letter in letters] == list(range(len(bad)))


def test_an_unknown_template_is_a_rejection_with_a_reason(world: MakeWorld) -> None:
    w = world(Channel.EMAIL)
    box = w.mailbox()
    w.courier()
    w.write(
        deliver(1, template="no_such.email"),
        deliver(2, variables={}),
        deliver(3, recipient=Recipient(name="A\r\nBcc: all@example.com", email="a@example.com")),
        deliver(4),
    )
    errors = {r["intervention"]: (r["status"], r.get("error")) for r in w.receipts(4)}
    assert errors["iv-1"] == (
        "failed",
        "rejected: template file no_such.email.subject.j2 is missing in templates/; add it or correct the playbook",
    )
    assert errors["iv-2"][0] == "failed"
    assert "undefined" in str(errors["iv-2"][1])
    assert "recipient.name contains a line break" in str(errors["iv-3"][1])
    assert errors["iv-4"] == ("delivered", None)
    assert len(box.index()) == 1


def test_faults_of_a_mail_server_never_send_thrice(world: MakeWorld) -> None:
    """Half of all mails are taken without an answer: each may come twice, none more often, all are accounted for."""
    w = world(Channel.EMAIL)
    box = w.mailbox("--fail", "drop=0.5,never=0.1", "--seed", "5")
    w.courier()
    count = 20
    w.write(*(deliver(n) for n in range(1, count + 1)))
    receipts = {r["intervention"]: r for r in w.receipts(count)}
    assert len(receipts) == count
    calls = Counter(mail["intervention"] for mail in box.index())
    assert max(calls.values()) <= 2
    for number, told in receipts.items():
        if told["status"] == "failed":
            assert calls[number] == 0, "a failure means that it is not out"
        else:
            assert calls[number] >= 1
    assert {"delivered", "failed"} <= {r["status"] for r in receipts.values()}
    assert 2 in calls.values(), "the faults were there"


def test_an_address_that_is_suppressed_gets_nothing_until_it_is_released(world: MakeWorld) -> None:
    """What stood on the topic before the start counts for the first mail, and what comes later for the next."""
    w = world(Channel.EMAIL)
    box = w.mailbox()
    w.say("lead1@example.com", suppressed=True)
    w.write(deliver(1), deliver(2))
    w.courier(address_keys="secret")
    told = {r["intervention"]: (r["status"], r["error"]) for r in w.receipts(2)}
    assert told == {
        "iv-1": ("failed", "suppressed: somebody with this address was erased"),
        "iv-2": ("delivered", None),
    }
    assert w.history(1) == ["suppressed", "suppressed"]
    w.say("lead1@example.com", suppressed=False)
    w.say("lead2@example.com", suppressed=True)
    w.say("lead3@example.com", suppressed=True)
    # It is read beside: sooner or later, and nothing else is said of it, so ask with new commands until it is.
    numbers = iter(range(100, 200))

    def known() -> bool:
        number = next(numbers)
        w.write(deliver(number, recipient=Recipient(email="lead3@example.com")))
        return w.history(1, number=number)[0] == "suppressed"

    eventually(known, what="the suppression of lead3 to be known")
    w.write(deliver(11, recipient=Recipient(email="lead1@example.com")))
    w.write(deliver(12, recipient=Recipient(email="LEAD2@example.com")))
    assert w.until("sent", number=11)
    assert w.until("suppressed", number=12)
    assert {mail["intervention"] for mail in box.index()} >= {"iv-2", "iv-11"}
    assert not {mail["intervention"] for mail in box.index()} & {"iv-1", "iv-12"}


def test_without_the_key_of_the_hashes_nobody_is_written_to(world: MakeWorld) -> None:
    w = world(Channel.EMAIL)
    box = w.mailbox()
    w.say("lead1@example.com", suppressed=True)
    w.write(deliver(1), deliver(2))
    courier = w.courier(address_keys="another")
    assert courier.wait() == 78
    assert "add the former key behind the present one" in courier.log_tail(3)
    assert box.index() == []
    w.courier(address_keys="another,secret")
    assert w.until("sent", number=2)
    assert w.until("suppressed", number=1)
