"""Which dead letters are driven again."""

from aiokafka import ConsumerRecord

from agents.dead_letters import Found, each_record_once
from schemas.dead_letters import DeadLetter
from schemas.errors import RejectReason


def found(name: str, key: bytes, value: bytes, topic: str = "lead.events") -> Found:
    letter = DeadLetter(
        id=name, reason=RejectReason.MISSING_FIELD, field="at", message="is missing", remedy="send it",
        topic=topic, partition=0, offset=int(name), timestamp_ms=0,
    )  # fmt: skip
    return Found(letter, ConsumerRecord(f"{topic}.dlq", 0, 0, 0, 0, key, value, None, len(key), len(value), ()))


def test_what_was_driven_and_rejected_again_goes_once_by_its_newest_letter() -> None:
    first, other, again = found("1", b"a:1", b"x"), found("2", b"a:1", b"y"), found("3", b"a:1", b"x")
    assert [one.letter.id for one in each_record_once([first, other, again])] == ["3", "2"]


def test_the_same_bytes_of_another_lead_or_topic_are_another_record() -> None:
    some = [found("1", b"a:1", b"x"), found("2", b"a:2", b"x"), found("3", b"a:1", b"x", "interventions.email")]
    assert each_record_once(some) == some
