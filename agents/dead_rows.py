"""Rows of a file that are no events, as dead letters of `lead.events`: nothing of a replayed log is lost."""

from collections.abc import Iterable

from agents.rejects import RejectedRow
from agents.writer import Out, partition_for
from schemas import topics
from schemas.dead_letters import DeadLetter
from streams.ids import derive


def dead_rows(rows: Iterable[RejectedRow], partitions: int, prefix: str = "") -> list[Out]:
    """One dead letter per row: its bytes, and in the headers file, line, field and remedy."""
    out = []
    for row in rows:
        where = f"{row.file}:{row.line}"
        letter = DeadLetter(
            id=derive("dlq", row.file, row.line, row.field),
            reason=row.reason,
            field=row.field,
            message=row.message,
            remedy=row.remedy,
            topic=row.file,
            partition=0,
            offset=row.line,
            timestamp_ms=0,
        )
        key = where.encode()
        out.append(
            Out(prefix + topics.EVENTS_DLQ.name, partition_for(key, partitions), None, row.raw, None, letter.headers())
        )
    return out
