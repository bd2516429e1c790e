"""Bytes on `interventions.<channel>` -> a command, or Rejected with the field and the remedy; and its dead letter."""

from zoneinfo import ZoneInfo

from aiokafka import TopicPartition
from pydantic import ValidationError

from agents.rounds import Fetched
from agents.writer import Out
from schemas.commands import COMMAND, Command, DeliverIntervention
from schemas.dead_letters import DeadLetter
from schemas.errors import Rejected, RejectReason
from schemas.units import Channel

LONGEST_ID = 110
"""Leaves room in a message id (128 characters) for the `rcpt-` before it and the status behind it."""

_REASONS = {
    "json_invalid": RejectReason.NOT_JSON,
    "missing": RejectReason.MISSING_FIELD,
    "union_tag_invalid": RejectReason.UNKNOWN_TYPE,
    "union_tag_not_found": RejectReason.MISSING_FIELD,
}
_REMEDY = "see the JSON Schema of the topic; write the command again under the same id"


def read_command(record: Fetched, channel: Channel) -> Command:
    """Parse and check one record.

    Raises:
        Rejected: It is no command for this channel.
    """
    if record.key is None:
        raise Rejected(RejectReason.NULL_KEY, "key", "is null", "write with the key tenant:lead")
    if record.value is None:
        raise Rejected(RejectReason.NULL_VALUE, "value", "is null", "withdraw with a withdraw_intervention instead")
    command = _parse(record.value)
    if record.key != f"{command.tenant}:{command.lead}".encode():
        raise Rejected(
            RejectReason.KEY_MISMATCH, "key", "is not tenant:lead of the command", "write with the key tenant:lead"
        )
    if command.channel is not channel:
        raise Rejected(RejectReason.INVALID_VALUE, "channel", f"is {command.channel}", f"this topic is for {channel}")
    if len(command.id) > LONGEST_ID:
        raise Rejected(
            RejectReason.INVALID_VALUE,
            "id",
            f"is longer than {LONGEST_ID}",
            "shorten it: receipts derive their id from it",
        )
    if isinstance(command, DeliverIntervention) and command.quiet is not None:
        try:
            ZoneInfo(command.quiet.timezone)
        except (KeyError, ValueError, OSError) as error:
            message = "is not an IANA time zone"
            raise Rejected(RejectReason.INVALID_VALUE, "quiet.timezone", message, "like America/New_York") from error
    return command


def dead_letter(tp: TopicPartition, record: Fetched, topic: str, error: Rejected) -> Out:
    """The record as it came, on its dead-letter topic, with the reason in the headers."""
    letter = DeadLetter(
        id=f"dlq-{tp.topic}-{tp.partition}-{record.offset}"[:128],
        reason=error.reason, field=error.field, message=error.message, remedy=error.remedy,
        topic=tp.topic, partition=tp.partition, offset=record.offset, timestamp_ms=max(record.timestamp, 0),
    )  # fmt: skip
    headers = [*record.headers, *letter.headers()]
    return Out(topic, tp.partition, record.key, record.value, None, headers)


def _parse(value: bytes) -> Command:
    try:
        value.decode()
        return COMMAND.validate_json(value)
    except UnicodeDecodeError as error:
        raise Rejected(
            RejectReason.NOT_UTF8, "value", f"is not UTF-8 at byte {error.start}", "encode it as UTF-8"
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        # The first element of the place is the union's tag: the reader wants the field.
        places = [str(part) for part in first["loc"]]
        field = ".".join(places[1:]) or "value"
        raise Rejected(_reason(first["type"], field), field, first["msg"], _REMEDY) from error


def _reason(kind: str, field: str) -> RejectReason:
    if field == "v":
        return RejectReason.UNKNOWN_VERSION
    if kind in _REASONS:
        return _REASONS[kind]
    if kind == "dict_type" and field == "value":
        return RejectReason.NOT_AN_OBJECT
    return RejectReason.WRONG_TYPE if kind.endswith(("_type", "_parsing")) else RejectReason.INVALID_VALUE
