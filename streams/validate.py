"""Bytes -> event, or Rejected with the reason, the field and the remedy. Nothing else may refuse a record."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from schemas.errors import Rejected, RejectReason
from schemas.events import EVENT, AboutLead, Activate, Control, LeadEvent, ReleaseAddress, SuppressAddress, is_control
from streams.env import Env

MAX_BYTES = 262_144
_validate = EVENT.validator.validate_json
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC).timestamp()
LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
"""Even where the record's own timestamp, which a producer may set, says so: times are kept in 32 bits (until 2106)."""
SKEW_SECONDS = 300.0
"""A clock may run this far ahead of the broker; an event further ahead counts as that far ahead."""
FUTURE_SECONDS = 86_400.0
"""An event further ahead than a day is no skew but a mistake."""
RECENT_SECONDS = 2 * 86_400.0
"""What happened longer ago is history: each event of it would be judged as of now, as if the lead had been silent since then."""


def parse(key: bytes | None, value: bytes | None, timestamp_ms: int) -> tuple[LeadEvent, float]:
    """The event and its time (epoch seconds, never more than 5 minutes after the record's timestamp).

    Raises:
        Rejected: naming the field and the remedy.
    """
    if key is None or value is None or len(value) > MAX_BYTES:
        raise _unusable(key, value)
    try:
        event = _validate(value)
    except ValidationError as error:
        raise reject(value, error) from None
    at = event.at.timestamp()
    seconds = timestamp_ms / 1000.0 if timestamp_ms > 0 else at  # -1: the record has no timestamp
    if at > seconds + SKEW_SECONDS or at < EARLIEST or at > LATEST:
        at = _skewed(at, seconds)
    if not is_control(event) and key != f"{event.tenant}:{event.lead}".encode():
        raise _mismatch(key, event.tenant)
    return event, at


def about_lead(value: bytes) -> AboutLead:
    """The body of a message about a lead that `parse` has accepted before."""
    event: LeadEvent = _validate(value)
    assert not is_control(event)
    return event


def _unusable(key: bytes | None, value: bytes | None) -> Rejected:
    if key is None:
        return Rejected(RejectReason.NULL_KEY, "key", "the record has no key", "send `tenant:lead` as the key")
    if value is None:
        return Rejected(
            RejectReason.NULL_VALUE,
            "value",
            "the record has no value",
            "send an event; to forget a lead send erase_lead",
        )
    return Rejected(
        RejectReason.TOO_LARGE,
        "value",
        f"{len(value)} bytes",
        f"send at most {MAX_BYTES} bytes; put large content elsewhere",
    )


def _skewed(at: float, broker: float) -> float:
    """The time that counts for an event whose clock is off; Rejected when that is no skew any more."""
    if at > broker + FUTURE_SECONDS or at > LATEST:
        raise Rejected(
            RejectReason.IN_FUTURE,
            "at",
            "is over a day after the broker had the record",
            "check the sender's clock and its zone",
        )
    if at < EARLIEST:
        raise Rejected(
            RejectReason.ANCIENT, "at", "is before 1990", "check the sender's clock: 1970 is a time that was never set"
        )
    return min(at, broker + SKEW_SECONDS)


def check_recent(at: float, now: float) -> None:
    """Raise Rejected where the event is history, which workers that act would answer with messages and escalations.

    Asked before an event is sent; workers take what is on the log.
    """
    if now - at > RECENT_SECONDS:
        raise Rejected(
            RejectReason.ANCIENT, "at", f"was {int((now - at) // 86_400)} days ago, and would be judged as of today",
            "to load history: `leadkeeper policy watch`, send it with --history, then `leadkeeper policy act`",
        )  # fmt: skip


def check_home(key: bytes, partition: int, home: Callable[[bytes], int]) -> None:
    """Raise Rejected when the key does not belong on this partition: the sender hashes in another way."""
    if home(key) != partition:
        raise Rejected(
            RejectReason.WRONG_PARTITION, "key", f"belongs on partition {home(key)}, came on {partition}",
            "use murmur2 (librdkafka: partitioner=murmur2_random)",
        )  # fmt: skip


def check_control(event: Control, partition: int, env: Env) -> None:
    """Raise Rejected when a tick or an activation is for another partition, or activates what is not there."""
    if isinstance(event, SuppressAddress | ReleaseAddress):
        return  # an address belongs to no partition
    if event.partition != partition:
        raise Rejected(
            RejectReason.WRONG_PARTITION,
            "partition",
            f"came on partition {partition}",
            "send it to the partition it names",
        )
    if isinstance(event, Activate):
        for field, known in (("policy", env.policies), ("model", env.scorers), ("weights", env.weights)):
            version = getattr(event, field)
            if version is not None and version not in known:
                raise Rejected(
                    RejectReason.INVALID_VALUE,
                    field,
                    "no such version was announced before, or this program refused it",
                    "see the worker's log; publish it again, then activate it",
                )


def _mismatch(key: bytes, tenant: str) -> Rejected:
    key_tenant = key.partition(b":")[0]
    field = "lead" if key_tenant == tenant.encode() else "tenant"
    return Rejected(
        RejectReason.KEY_MISMATCH,
        field,
        "key and body name different leads",
        "send `tenant:lead` of the body as the key",
    )


_JSON = {"json_invalid", "json_type"}
_NOT_OBJECT = {"model_attributes_type", "model_type", "dict_type"}
_TIME = "send ISO 8601 with an offset, like 2026-01-31T09:00:00Z"
_REMEDY = {
    "timezone_aware": _TIME,
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "datetime_object_invalid": _TIME,
    "enum": "send one of those",
    "literal_error": "send one of those",
    "bool_type": "send true or false, without quotes",
    "int_type": "send a whole number, without quotes or a decimal point",
    "float_type": "send a number, without quotes",
    "string_type": "send text, in quotes",
    "greater_than_equal": "send a value within that bound",
    "less_than_equal": "send a value within that bound",
    "finite_number": "leave the field out where the number is not known",
    "string_pattern_mismatch": "use only the letters and the length that the pattern allows",
    "string_too_long": "shorten it, or put it elsewhere and send its address",
    "not_later": "send a time to come",
    "value_error": "correct it, or leave the field out",
}
_SEE = "see the JSON Schema of lead.events"


def reject(value: bytes, error: ValidationError) -> Rejected:
    """The first complaint of pydantic as a reason of ours. Values of the sender are not repeated."""
    first = error.errors(include_url=False, include_input=False)[0]
    kind, field = first["type"], _field(first["loc"])
    if kind in _JSON:
        return _broken_json(value, first)
    if kind in _NOT_OBJECT and not field:
        return Rejected(
            RejectReason.NOT_AN_OBJECT, "value", "the JSON is not an object", "send one JSON object per record"
        )
    if kind == "union_tag_not_found":
        return Rejected(RejectReason.MISSING_FIELD, "type", "is missing", "say which kind of event it is")
    if kind == "union_tag_invalid":
        return Rejected(
            RejectReason.UNKNOWN_TYPE,
            "type",
            "is not a known type",
            "`leadkeeper events` lists them; or use custom with a kind",
        )
    if field == "v":
        return Rejected(RejectReason.UNKNOWN_VERSION, "v", first["msg"], "send version 1, as a number")
    if kind == "missing":
        return Rejected(RejectReason.MISSING_FIELD, field, "is missing", f"add {field}")
    if field == "email" and kind == "value_error":  # the library's words repeat parts of the address
        return Rejected(
            RejectReason.INVALID_VALUE, field, "is not a valid e-mail address", "send name@domain, or null to clear it"
        )
    reason = RejectReason.WRONG_TYPE if kind.endswith("_type") else RejectReason.INVALID_VALUE
    return Rejected(reason, field, first["msg"].removeprefix("Value error, "), _REMEDY.get(kind, _SEE))


def _broken_json(value: bytes, first: Any) -> Rejected:
    try:
        value.decode()
    except UnicodeDecodeError as error:
        return Rejected(RejectReason.NOT_UTF8, "value", f"byte {error.start} is not UTF-8", "encode as UTF-8")
    return Rejected(
        RejectReason.NOT_JSON, "value", first["msg"].removeprefix("Invalid JSON: "), "send one JSON object per record"
    )


def _field(loc: tuple[int | str, ...]) -> str:
    """The field's name: after the union's tag, and before the ways in which pydantic tried to read it. Events are flat."""
    return str(loc[1]) if len(loc) > 1 else ""
