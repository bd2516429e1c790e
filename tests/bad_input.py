"""Bad input, as a table: what is sent, and what its dead letter says. Used with and without a broker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.errors import RejectReason as R

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = b"acme:L1"
SECRET = "zq-secret-zq"
"""Put into values where it fits: an error message must not repeat what the sender sent."""


@dataclass(frozen=True)
class Bad:
    """One bad record: its name, key, value, and what the dead letter must say."""

    name: str
    value: bytes | None
    reason: R
    field: str
    key: bytes | None = KEY


def good(**changes: Any) -> dict[str, Any]:
    """A valid event about lead L1 of tenant acme, with some fields changed; `...` removes one."""
    body = {
        "v": 1, "type": "item_viewed", "id": "e1", "tenant": "acme", "lead": "L1", "at": NOW.isoformat(), "item": "x1",
        **changes,
    }  # fmt: skip
    return {k: v for k, v in body.items() if v is not ...}


def raw(**changes: Any) -> bytes:
    """The same as JSON."""
    return json.dumps(good(**changes)).encode()


def _bad(name: str, reason: R, field: str, /, key: bytes | None = KEY, **changes: Any) -> Bad:
    return Bad(name, raw(**changes), reason, field, key)


def _with(text: str) -> bytes:
    """A valid event with one more member, as given."""
    return raw()[:-1] + b"," + text.encode() + b"}"


def _of(type_: str, **fields: Any) -> Mapping[str, Any]:
    return {"type": type_, "item": ..., **fields}


DEEP = b'{"x":' * 10_000 + b"1" + b"}" * 10_000
FRAMES = [
    Bad("empty", b"", R.NOT_JSON, "value"),
    Bad("blank", b"  \n", R.NOT_JSON, "value"),
    Bad("broken JSON", b'{"v":1,"type":"item_vi', R.NOT_JSON, "value"),
    Bad("single quotes", b"{'v': 1}", R.NOT_JSON, "value"),
    Bad("trailing garbage", raw() + b"}", R.NOT_JSON, "value"),
    Bad("two objects", raw() + raw(), R.NOT_JSON, "value"),
    Bad("byte order mark", b"\xef\xbb\xbf" + raw(), R.NOT_JSON, "value"),
    Bad("UTF-16", json.dumps(good()).encode("utf-16"), R.NOT_UTF8, "value"),
    Bad("Latin-1", raw(item=...)[:-1] + b',"item":"M\xfcnchen"}', R.NOT_UTF8, "value"),
    Bad("not UTF-8", b"\xff\xfe\x00", R.NOT_UTF8, "value"),
    Bad("gzip", b"\x1f\x8b\x08\x00garbage", R.NOT_UTF8, "value"),
    Bad("Avro with a schema registry's prefix", b"\x00\x00\x00\x00\x07\x02\x04", R.NOT_JSON, "value"),
    Bad("lone surrogate", _with('"note":"\\ud800"'), R.NOT_JSON, "value"),
    Bad("control character in a string", raw(item="a\tb").replace(b"\\t", b"\t"), R.NOT_JSON, "value"),
    Bad("array", b"[1,2]", R.NOT_AN_OBJECT, "value"),
    Bad("array of events", b"[" + raw() + b"]", R.NOT_AN_OBJECT, "value"),
    Bad("string", b'"hello"', R.NOT_AN_OBJECT, "value"),
    Bad("number", b"7", R.NOT_AN_OBJECT, "value"),
    Bad("null", b"null", R.NOT_AN_OBJECT, "value"),
    Bad("true", b"true", R.NOT_AN_OBJECT, "value"),
    Bad("depth 10,000", DEEP, R.NOT_JSON, "value"),
    Bad("depth 10,000 in a field", raw()[:-1] + b',"deep":' + DEEP + b"}", R.NOT_JSON, "value"),
    Bad("depth 10,000, never closed", b"[" * 10_000, R.NOT_JSON, "value"),
    Bad("300 kB", raw(note="x" * 300_000), R.TOO_LARGE, "value"),
    Bad("1 MB", b'{"x":"' + b"y" * 1_000_000 + b'"}', R.TOO_LARGE, "value"),
    Bad("null key", raw(), R.NULL_KEY, "key", key=None),
    Bad("null value", None, R.NULL_VALUE, "value"),
    Bad("null key and value", None, R.NULL_KEY, "key", key=None),
]
ENVELOPE = [
    Bad("empty object", b"{}", R.MISSING_FIELD, "type"),
    _bad("no type", R.MISSING_FIELD, "type", type=...),
    _bad("no id", R.MISSING_FIELD, "id", id=...),
    _bad("no tenant", R.MISSING_FIELD, "tenant", tenant=...),
    _bad("no lead", R.MISSING_FIELD, "lead", lead=...),
    _bad("no time", R.MISSING_FIELD, "at", at=...),
    _bad("no item", R.MISSING_FIELD, "item", item=...),
    _bad("unknown type", R.UNKNOWN_TYPE, "type", type=f"lead_exploded {SECRET}"),
    _bad("type of another case", R.UNKNOWN_TYPE, "type", type="ItemViewed"),
    _bad("type is null", R.UNKNOWN_TYPE, "type", type=None),
    _bad("type is a number", R.UNKNOWN_TYPE, "type", type=3),
    _bad("unknown version", R.UNKNOWN_VERSION, "v", v=2),
    _bad("version as text", R.UNKNOWN_VERSION, "v", v="1"),
    _bad("version is null", R.UNKNOWN_VERSION, "v", v=None),
    _bad("other tenant in the key", R.KEY_MISMATCH, "tenant", key=b"zeta:L1"),
    _bad("other lead in the key", R.KEY_MISMATCH, "lead", key=b"acme:L2"),
    _bad("key without a tenant", R.KEY_MISMATCH, "tenant", key=b"L1"),
    _bad("key is not UTF-8", R.KEY_MISMATCH, "tenant", key=b"\xff\xfe"),
    _bad("empty key", R.KEY_MISMATCH, "tenant", key=b""),
    _bad("id with a space", R.INVALID_VALUE, "id", id=f"a b {SECRET}"),
    _bad("id is empty", R.INVALID_VALUE, "id", id=""),
    _bad("id too long", R.INVALID_VALUE, "id", id="x" * 129),
    _bad("id is a number", R.WRONG_TYPE, "id", id=12),
    _bad("id is null", R.WRONG_TYPE, "id", id=None),
    _bad("tenant with a colon", R.INVALID_VALUE, "tenant", tenant="ac:me", key=b"ac:me:L1"),
    _bad("tenant too long", R.INVALID_VALUE, "tenant", tenant="t" * 65, key=b"t" * 65 + b":L1"),
    _bad("lead with a space", R.INVALID_VALUE, "lead", lead="L 1", key=b"acme:L 1"),
    _bad("lead too long", R.INVALID_VALUE, "lead", lead="L" * 129, key=b"acme:" + b"L" * 129),
    _bad("lead is a number", R.WRONG_TYPE, "lead", lead=17, key=b"acme:17"),
    _bad("lead is an object", R.WRONG_TYPE, "lead", lead={"id": "L1"}),
    _bad("naive time", R.INVALID_VALUE, "at", at="2026-03-02T12:00:00"),
    _bad("no time at all", R.INVALID_VALUE, "at", at=f"yesterday {SECRET}"),
    _bad("a date only", R.INVALID_VALUE, "at", at="2026-03-02"),
    _bad("the 31st of February", R.INVALID_VALUE, "at", at="2026-02-31T12:00:00Z"),
    _bad("time as seconds", R.WRONG_TYPE, "at", at=1_772_452_800),
    _bad("time is null", R.WRONG_TYPE, "at", at=None),
    _bad("far future", R.IN_FUTURE, "at", at=(NOW + timedelta(days=400)).isoformat()),
    _bad("the year 9999", R.IN_FUTURE, "at", at="9999-12-31T23:59:59Z"),
    _bad("ancient", R.ANCIENT, "at", at="1970-01-01T00:00:00Z"),
    _bad("the year 1", R.ANCIENT, "at", at="0001-01-01T00:00:00+14:00"),
    _bad("source too long", R.INVALID_VALUE, "source", source="s" * 257),
]
FIELDS = [
    _bad("NaN", R.INVALID_VALUE, "seconds", **_of("page_viewed", seconds=float("nan"))),
    _bad("Infinity", R.INVALID_VALUE, "seconds", **_of("page_viewed", seconds=float("inf"))),
    Bad("1e999", raw(**_of("page_viewed", seconds=7)).replace(b"7}", b"1e999}"), R.INVALID_VALUE, "seconds"),
    _bad("negative seconds", R.INVALID_VALUE, "seconds", **_of("session_ended", seconds=-1)),
    _bad("seconds as text", R.WRONG_TYPE, "seconds", **_of("page_viewed", seconds="12")),
    _bad("negative amount", R.INVALID_VALUE, "amount_cents", **_of("purchase_completed", amount_cents=-1)),
    _bad("amount too large", R.INVALID_VALUE, "amount_cents", **_of("purchase_completed", amount_cents=10**14)),
    _bad("huge amount", R.INVALID_VALUE, "amount_cents", **_of("purchase_completed", amount_cents=10**400)),
    _bad("amount with a fraction", R.WRONG_TYPE, "amount_cents", **_of("refund_issued", amount_cents=19.99)),
    _bad("amount as a float", R.WRONG_TYPE, "amount_cents", **_of("refund_issued", amount_cents=1999.0)),
    _bad("amount as text", R.WRONG_TYPE, "amount_cents", **_of("purchase_completed", amount_cents="1999")),
    _bad("amount is a bool", R.WRONG_TYPE, "amount_cents", **_of("purchase_completed", amount_cents=True)),
    _bad("no amount", R.MISSING_FIELD, "amount_cents", **_of("purchase_completed")),
    _bad("negative pages", R.INVALID_VALUE, "pages", **_of("session_ended", pages=-3)),
    _bad("stars 6", R.INVALID_VALUE, "stars", **_of("review_posted", stars=6)),
    _bad("stars 4.5", R.WRONG_TYPE, "stars", **_of("review_posted", stars=4.5)),
    _bad("score 1.5", R.INVALID_VALUE, "score", **_of("survey_answered", score=1.5)),
    _bad("score as text", R.WRONG_TYPE, "score", **_of("survey_answered", score="good")),
    _bad("unknown call outcome", R.INVALID_VALUE, "outcome", **_of("call_completed", outcome=SECRET)),
    _bad("unknown severity", R.INVALID_VALUE, "severity", **_of("ticket_opened", severity="urgent")),
    _bad(
        "appointment at a naive time",
        R.INVALID_VALUE,
        "starts_at",
        **_of("appointment_scheduled", starts_at="2026-03-09T10:00"),
    ),
    _bad("text too long", R.INVALID_VALUE, "text", **_of("message_received", text="x" * 20_001)),
    _bad("custom kind with capitals", R.INVALID_VALUE, "kind", **_of("custom", kind="DemoWatched")),
    _bad("custom without a kind", R.MISSING_FIELD, "kind", **_of("custom")),
    _bad("invalid e-mail", R.INVALID_VALUE, "email", **_of("profile_updated", email=f"{SECRET}.example.com")),
    _bad("e-mail with a bad character", R.INVALID_VALUE, "email", **_of("profile_updated", email="an(n@example.com")),
    _bad("e-mail is a list", R.WRONG_TYPE, "email", **_of("profile_updated", email=["ann@example.com"])),
    _bad("phone without a country", R.INVALID_VALUE, "phone", **_of("profile_updated", phone="0415 555 0132")),
    _bad("phone too short", R.INVALID_VALUE, "phone", **_of("profile_updated", phone="+1415")),
    _bad("phone as a number", R.WRONG_TYPE, "phone", **_of("profile_updated", phone=14155550132)),
    _bad("unknown time zone", R.INVALID_VALUE, "timezone", **_of("profile_updated", timezone=f"Mars/{SECRET}")),
    _bad("time zone as a path", R.INVALID_VALUE, "timezone", **_of("profile_updated", timezone="../../etc/passwd")),
    _bad("time zone is empty", R.INVALID_VALUE, "timezone", **_of("profile_updated", timezone="")),
    _bad("language in words", R.INVALID_VALUE, "language", **_of("profile_updated", language="German")),
    _bad("region in words", R.INVALID_VALUE, "region", **_of("profile_updated", region="Bavaria")),
    _bad(
        "unknown preferred channel",
        R.INVALID_VALUE,
        "preferred_channel",
        **_of("profile_updated", preferred_channel="fax"),
    ),
    _bad(
        "consent for an unknown channel",
        R.INVALID_VALUE,
        "channel",
        **_of("consent_changed", channel="fax", allowed=False),
    ),
    _bad("consent as text", R.WRONG_TYPE, "allowed", **_of("consent_changed", channel="email", allowed="no")),
    _bad("consent as a number", R.WRONG_TYPE, "allowed", **_of("consent_changed", channel="email", allowed=0)),
    _bad("closed as something else", R.INVALID_VALUE, "outcome", **_of("lead_closed", outcome="maybe")),
    _bad(
        "unknown receipt status",
        R.INVALID_VALUE,
        "status",
        **_of("receipt", intervention="i1", channel="email", status="seen"),
    ),
    _bad("receipt of nothing", R.MISSING_FIELD, "intervention", **_of("receipt", channel="email", status="opened")),
    _bad(
        "receipt of an unknown channel",
        R.INVALID_VALUE,
        "channel",
        **_of("receipt", intervention="i1", channel="fax", status="opened"),
    ),
    _bad(
        "trigger of an unknown stage", R.INVALID_VALUE, "stage", **_of("trigger_intervention", stage="panic", by="kim")
    ),
    _bad("trigger by nobody", R.MISSING_FIELD, "by", **_of("trigger_intervention", stage="active_risk")),
]
_TICK = _of("tick", tenant=..., lead=..., partition=0)
_ACTIVATE = {**_TICK, "type": "activate"}
CONTROL = [
    _bad("tick of a negative partition", R.INVALID_VALUE, "partition", **{**_TICK, "partition": -1}),
    _bad("tick of another partition", R.WRONG_PARTITION, "partition", **{**_TICK, "partition": 7777}),
    _bad("tick without a partition", R.MISSING_FIELD, "partition", **{**_TICK, "partition": ...}),
    _bad("tick in the far future", R.IN_FUTURE, "at", **{**_TICK, "at": "2031-01-01T00:00:00Z"}),
    _bad("activation of another partition", R.WRONG_PARTITION, "partition", **{**_ACTIVATE, "partition": 7777}),
]
NOT_THERE = [
    _bad("activation of an unknown policy", R.INVALID_VALUE, "policy", **{**_ACTIVATE, "policy": SECRET}),
    _bad("activation of an unknown model", R.INVALID_VALUE, "model", **{**_ACTIVATE, "model": SECRET}),
]
"""For the fold only: before a worker folds, it waits for the versions that its records name."""
BAD: list[Bad] = [*FRAMES, *ENVELOPE, *FIELDS, *CONTROL]

ODD_BUT_VALID: dict[str, bytes] = {
    "depth 100 in a field we do not know": _with('"deep":' + "[" * 100 + "]" * 100),
    "a field we do not know": raw(colour="blue"),
    "a member named twice: the last counts": _with('"item":"flat-8"'),
    "spaces around": b" \n" + raw() + b"\n ",
    "no version: 1": raw(v=...),
    "another zone": raw(at=NOW.astimezone().isoformat()),
    "an emoji": raw(item="\U0001f3e0"),
    "a surrogate pair": _with('"note":"\\ud83c\\udfe0"'),
    "a zero byte": raw(item="a\0b"),
    "a clock one hour ahead": raw(at=(NOW + timedelta(hours=1)).isoformat()),
    "thirty years late": raw(at="1996-03-02T12:00:00Z"),
    "the largest amount": raw(**_of("purchase_completed", amount_cents=10**13)),
}
"""Looks wrong, is not: must be folded, and must not be dead-lettered."""
