"""Dead letters: key and value are the original bytes; what went wrong travels in the record's headers.

Raw bytes, so that nothing is lost and a record can be driven again after a repair.
"""

from typing import Annotated

from pydantic import Field

from schemas.errors import RejectReason
from schemas.units import MessageId, Outgoing

HEADER_PREFIX = "leadkeeper."


class DeadLetter(Outgoing):
    """The headers of a record on a `*.dlq` topic; each header is named `leadkeeper.<field>`."""

    id: MessageId
    reason: RejectReason
    field: Annotated[str, Field(description="the field at fault, or `key` or `value`")]
    message: str
    remedy: str
    topic: str
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]
    timestamp_ms: int
    cut_from: Annotated[int, Field(ge=0, description="bytes of the value before it was cut to fit; 0: it is whole")] = 0

    def headers(self) -> list[tuple[str, bytes]]:
        """As Kafka headers."""
        return [(HEADER_PREFIX + k, str(v).encode()) for k, v in self.model_dump(mode="json").items()]

    @classmethod
    def from_headers(cls, headers: "tuple[tuple[str, bytes], ...] | list[tuple[str, bytes]]") -> "DeadLetter":
        """Read them back; raises pydantic's ValidationError for a record that is no dead letter."""
        found = {k.removeprefix(HEADER_PREFIX): v.decode() for k, v in headers if k.startswith(HEADER_PREFIX)}
        return cls.model_validate(found)
