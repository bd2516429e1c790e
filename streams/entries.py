"""What one lead adds to the sums of its partition, with the offset of the message: so each sum is known as it was at any message.

Kept in the lead's record; `budget`, `workload` and `blast_radius` add it up.
"""

from msgspec import Struct


class Spent(Struct, array_like=True, gc=False):
    """What one command cost, where the tenant has a budget: the message's offset, the tenant's day, thousandths of a cent."""

    offset: int
    day: int
    milli: int


class Reached(Struct, array_like=True, gc=False):
    """An action that came up for the lead, where the tenant limits for how many it may: the message's offset, stream time."""

    offset: int
    at: float
    action: str


class Borne(Struct, array_like=True, gc=False):
    """Escalations that a person got (1), or got rid of (-1), by a message: its offset."""

    offset: int
    person: str
    change: int
