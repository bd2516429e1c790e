"""Addresses that nobody may be written to: who is told what, and what can be read off it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.commands import Recipient
from schemas.errors import AddressKeyUnknown
from schemas.suppressions import AddressSuppressed, key_of
from schemas.topics import EVENTS_DLQ, SUPPRESSIONS
from schemas.units import Channel
from streams.env import EVERYONE, Env
from streams.lead import Partition, fold
from streams.risk import RuleScorer
from streams.suppression import SuppressedAddresses, hash_of, words
from tests.unit.lives import Life
from tests.worlds import START, message, policy

PHONE = "+14155550132"
AT = datetime(2026, 1, 5, tzinfo=UTC)


def said(life: Life) -> list[tuple[str, str, bool]]:
    """Channel, cause and whether it is suppressed now."""
    return [(t["channel"], t["cause"], t["suppressed"]) for t in life.told if t["topic"] == SUPPRESSIONS.name]


def book(life: Life) -> SuppressedAddresses:
    """What a courier knows after it."""
    known = SuppressedAddresses([b""])
    for told in life.told:
        if told["topic"] == SUPPRESSIONS.name:
            record = AddressSuppressed.model_validate({k: v for k, v in told.items() if k != "topic"})
            known.take(key_of(record), record.model_dump_json().encode())
    return known


def test_an_erased_leads_addresses_are_kept_as_hashes_only() -> None:
    life = Life(phone=PHONE)
    told = life.tell(1, "erase_lead", by="kim")
    assert said(life) == [("email", "erased", True), ("phone", "erased", True), ("sms", "erased", True)]
    kept = [t for t in told if t["topic"] == SUPPRESSIONS.name]
    text = json.dumps(kept)
    assert all(secret not in text for secret in ("ann@", "harbour-homes", PHONE, life.lead))
    known = book(life)
    assert known.refuses("acme", Channel.EMAIL, Recipient(email="Ann@Harbour-Homes.com")) is not None
    assert known.refuses("acme", Channel.SMS, Recipient(phone=PHONE)) is not None
    assert known.refuses("acme", Channel.IN_APP, Recipient(email="ann@harbour-homes.com")) is None
    assert known.refuses("other", Channel.EMAIL, Recipient(email="ann@harbour-homes.com")) is None


def test_who_wants_no_trace_leaves_none() -> None:
    life = Life(phone=PHONE)
    life.tell(1, "erase_lead", by="kim", suppress=False)
    assert said(life) == []


def test_an_opt_out_holds_for_the_address_and_an_opt_in_lifts_only_that() -> None:
    life = Life(phone=PHONE)
    life.tell(1, "consent_changed", channel="sms", allowed=False)
    life.tell(2, "consent_changed", channel="all", allowed=False)
    life.tell(3, "consent_changed", channel="email", allowed=False)
    assert said(life) == [("sms", "consent", True), ("email", "consent", True), ("phone", "consent", True)]
    life.tell(4, "consent_changed", channel="all", allowed=True)
    assert said(life)[3:] == [("phone", "consent", False)], "single opt-outs stay"
    known = book(life)
    assert [bool(known.causes("acme", c, PHONE)) for c in (Channel.SMS, Channel.PHONE)] == [True, False]
    life.tell(5, "erase_lead", by="kim")
    assert book(life).causes("acme", Channel.SMS, PHONE) == ["consent", "erased"]


def test_another_address_of_a_lead_that_refuses_is_suppressed_too() -> None:
    life = Life()
    life.tell(1, "consent_changed", channel="email", allowed=False)
    life.tell(2, "profile_updated", email="bo@harbour-homes.com", name="Bo")
    life.tell(3, "profile_updated", email="bo@harbour-homes.com")
    assert said(life) == [("email", "consent", True)] * 2
    assert all(book(life).causes("acme", Channel.EMAIL, f"{who}@harbour-homes.com") for who in ("ann", "bo"))


def test_an_operator_suppresses_and_releases_whatever_it_was_for() -> None:
    """About an address of which no lead is known: nothing is held of it but on the topic."""
    world = Env({"": {EVERYONE: policy()}}, {"": RuleScorer()}, address_key=b"secret")
    partition = Partition(0)
    order: Mapping[str, Any] = {"tenant": "acme", "at": START.isoformat(), "by": "kim", "reason": "asked on the phone"}

    def give(offset: int, kind: str, address: str) -> list[dict[str, Any]]:
        body = {**order, "type": kind, "id": f"o{offset}", "address": address}
        done = fold(partition, [message(offset, body, START, key=b"acme")], world)
        return [{"topic": o.topic, **json.loads(o.value or b"")} for o in done.outputs if not o.headers]

    suppressed = give(0, "suppress_address", "ann@example.com")
    assert [(s["channel"], s["cause"], s["by"], s["reason"]) for s in suppressed] == [
        ("email", "operator", "kim", "asked on the phone")
    ]
    assert [(s["channel"], s["cause"], s["suppressed"]) for s in give(1, "release_address", PHONE)] == [
        (c, cause, False) for cause in ("consent", "erased", "operator") for c in ("phone", "sms")
    ]
    assert not partition.table.index
    bad = message(2, {**order, "type": "suppress_address", "id": "o2", "address": "12345"}, START, key=b"acme")
    (letter,) = fold(partition, [bad], world).outputs
    assert letter.topic == EVENTS_DLQ.name
    assert ("lk-field", b"address") in [(name, value) for name, value in letter.headers or ()] or any(
        value == b"address" for _, value in letter.headers or ()
    )


def test_a_refused_message_was_no_contact_and_is_not_tried_again_in_the_episode() -> None:
    life = Life({"caps": {"max_per_day": 1, "max_per_week": 1}})
    life.grow_silent(14)
    (sent,) = life.commands("email")
    why = "suppressed: somebody with this address was erased"
    life.tell(14.1, "receipt", intervention=sent, channel="email", status="failed", error=why)
    assert len(life.commands("in_app")) == 1, "the cap has room: nothing reached the lead"
    life.ticks(15, 24)
    later = [t for t in life.told if t["type"] == "decided" and t["step"] == "personal_email"]
    assert [(t["verdict"], t["rule"]) for t in later if t["channel"] == "email"] == [("held", "suppressed")]
    assert "was erased" in next(t["detail"] for t in later if t["channel"] == "email")
    life.tell(25, "item_viewed", item="x")
    life.ticks(26, 27)
    assert life.record.episode is None
    life.ticks(28, 60)
    assert len(life.commands("email")) > 1, "another episode asks again: the address may have been released"


@given(tenant=st.sampled_from(["acme", "busy"]), address=st.emails(), key=st.binary(min_size=1, max_size=80))
def test_a_hash_depends_on_key_and_tenant_and_not_on_capitals(tenant: str, address: str, key: bytes) -> None:
    hashed = hash_of(key, tenant, address)
    assert hashed == hash_of(key, tenant, address.upper().lower())
    assert len({hashed, hash_of(b"", tenant, address), hash_of(key + b"x", tenant, address)}) == 3
    assert hashed != hash_of(key, tenant + "x", address)


def test_former_keys_are_known_and_a_foreign_one_is_refused() -> None:
    (record,) = words(
        b"old", "acme", {Channel.EMAIL: "ann@example.com"}, "erased", suppressed=True, at=AT, because="m1"
    )
    value = record.model_dump_json().encode()
    both = SuppressedAddresses([b"new", b"old"])
    both.take(key_of(record), value)
    assert both.causes("acme", Channel.EMAIL, "ann@example.com") == ["erased"]
    with pytest.raises(AddressKeyUnknown, match="add the former key behind the present one"):
        SuppressedAddresses([b"new"]).take(key_of(record), value)
    both.take(key_of(record), None)
    assert len(both) == 0
