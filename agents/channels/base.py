"""What a courier expects of a channel."""

from collections.abc import Mapping
from typing import Protocol

from schemas.commands import DeliverIntervention, Variable
from schemas.units import Channel as ChannelName
from schemas.units import DeliveryStatus
from streams.deliver import Answer, AnswerKind

Rendered = Mapping[str, str]
"""The text of each part of a message: `subject`, `txt`, `html`."""


class Channel(Protocol):
    """A way to reach somebody.

    Attributes:
        name: Which of the nine channels this serves.
        parts: The template parts it needs; empty when it sends no text.
        sent_status: What its provider's yes means: `delivered` only when the message is where it can be read.
    """

    @property
    def name(self) -> ChannelName:
        """Which of the nine channels this serves."""
        ...

    @property
    def parts(self) -> tuple[str, ...]:
        """The template parts it needs."""
        ...

    @property
    def sent_status(self) -> DeliveryStatus:
        """What its provider's yes means."""
        ...

    def variables(self, command: DeliverIntervention) -> Mapping[str, Variable]:
        """What the channel adds to the command's own variables, for example an unsubscribe link."""
        ...

    async def send(self, command: DeliverIntervention, rendered: Rendered) -> Answer:
        """Call the provider once and classify its answer. Raises nothing but bugs."""
        ...

    async def ping(self) -> None:
        """Ask whether the provider can be reached; raises `schemas.errors.Unavailable` when not."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


def refused(error: str) -> Answer:
    """Refused for good: no call with the same content can succeed."""
    return Answer(AnswerKind.REFUSED_PERMANENT, error=error)
