"""Suppression by address: who opted out or was erased and comes again as another lead is not written to.

Leads are spread over partitions by their id, so the partition of the new lead cannot know what the old one's does. Therefore the
fold only says it: one record for each address and channel on `suppressions`, a compacted topic that every courier reads
whole, and asks right before a call. The courier's receipt tells the new lead's partition, which then looks for another
channel and asks no more in that episode. Replay = live: the words come from the inbox, and so does the receipt.

Kept are a hash of the address under a secret key, the channel, the cause and the time; never the address or the lead. An
address is that of a channel as it is told, without regard to capitals; `ann+news@` and `ann@` are two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, get_args

from schemas.commands import Recipient
from schemas.errors import AddressKeyUnknown
from schemas.suppressions import AddressSuppressed, Cause
from schemas.topics import SUPPRESSIONS
from schemas.units import Channel
from streams.ids import derive

if TYPE_CHECKING:
    from schemas.events import ReleaseAddress, SuppressAddress

REACHED_BY: Mapping[str, tuple[Channel, ...]] = {"email": (Channel.EMAIL,), "phone": (Channel.SMS, Channel.PHONE)}
"""Which channels an address of the profile serves."""
CAUSES: tuple[Cause, ...] = get_args(Cause)
IN_WORDS = {
    "consent": "somebody with this address opted out",
    "erased": "somebody with this address was erased",
    "operator": "an operator suppressed this address",
}
REFUSED = "suppressed:"
"""How the error of a receipt begins when a courier refused an address."""
BY_ADDRESS = "by its address"
"""How a lead's own note of that begins: it is asked anew in the next episode, since an address may be released."""
TALLY = ("address",)
"""Counted for each record: they go to the partition of their own key, and not to that of the inbox."""


def hash_of(key: bytes, tenant: str, address: str) -> str:
    """128 bits of keyed BLAKE2b, so that without the key nobody can try addresses out; each tenant has its own."""
    secret = blake2b(key).digest() if key else b""
    return blake2b(f"{tenant}:{address.strip().casefold()}".encode(), digest_size=16, key=secret).hexdigest()


def id_of(key: bytes) -> str:
    """Tells keys apart, and nothing about them."""
    return blake2b(b"which key", digest_size=4, key=blake2b(key).digest()).hexdigest()


def words(
    key: bytes,
    tenant: str,
    addresses: Mapping[Channel, str],
    cause: Cause,
    *,
    suppressed: bool,
    at: datetime,
    because: str,
    by: str | None = None,
    reason: str | None = None,
) -> Iterator[AddressSuppressed]:
    """One record for each channel.

    Args:
        key: Secret; empty: the hash has none.
        tenant: Whose lead it is.
        addresses: What is suppressed, or released, by channel.
        cause: Why; each cause is released by itself.
        suppressed: False: released.
        at: Stream time.
        because: Id of the message that led to it.
        by: The operator, where one did it.
        reason: In the operator's words.
    """
    for channel, address in sorted(addresses.items()):
        hashed = hash_of(key, tenant, address)
        yield AddressSuppressed(
            id=derive("sup", tenant, channel, hashed, cause, str(suppressed), because),
            tenant=tenant,
            channel=channel,
            address=hashed,
            key_id=id_of(key),
            cause=cause,
            suppressed=suppressed,
            at=at,
            by=by,
            reason=reason,
        )


def addresses_of(known: object) -> dict[Channel, str]:
    """The addresses of a profile, or of a recipient, by channel."""
    found = ((channel, getattr(known, name)) for name, channels in REACHED_BY.items() for channel in channels)
    return {channel: address for channel, address in found if address}


def channels_of(address: str) -> tuple[Channel, ...]:
    """Which channels reach an address: an e-mail address, or a phone number."""
    return REACHED_BY["email" if "@" in address else "phone"]


def ordered(order: SuppressAddress | ReleaseAddress, key: bytes, now: float) -> list[AddressSuppressed]:
    """What an operator's word means. A release lifts every cause."""
    suppress = order.type == "suppress_address"
    causes: Sequence[Cause] = ("operator",) if suppress else CAUSES
    return [
        record
        for cause in causes
        for record in words(
            key,
            order.tenant,
            dict.fromkeys(channels_of(order.address), order.address),
            cause,
            suppressed=suppress,
            at=datetime.fromtimestamp(now, UTC),
            because=order.id,
            by=order.by,
            reason=order.reason,
        )
    ]


class SuppressedAddresses:
    """What `suppressions` says, for those who ask before they send. A set entry takes some 150 bytes.

    Args:
        keys: Secrets with which addresses were hashed, the one in use first.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Nothing is known yet."""
        self._keys = list(keys) or [b""]
        self._ids = {id_of(key) for key in self._keys}
        self._held: set[bytes] = set()

    def __len__(self) -> int:
        """How many words are in force."""
        return len(self._held)

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take one record, in log order.

        Raises:
            AddressKeyUnknown: It was hashed with a key that is not among ours, so that nobody could be recognised.
            ValueError: It is no such record.
        """
        told = AddressSuppressed.model_validate_json(value) if value is not None else None
        if told is not None and told.suppressed:
            if told.key_id not in self._ids:
                raise AddressKeyUnknown(
                    f"an address on {SUPPRESSIONS.name} was hashed with the key {told.key_id}, which is not among those of "
                    "LEADKEEPER_ADDRESS_KEYS: add the former key behind the present one, separated by a comma"
                )
            self._held.add(key)
        else:
            self._held.discard(key)

    def causes(self, tenant: str, channel: Channel, address: str) -> list[Cause]:
        """Why this address may not be used by this channel; empty: it may."""
        hashes = [hash_of(key, tenant, address) for key in self._keys]
        return [c for c in CAUSES if any(f"{tenant}:{channel}:{h}:{c}".encode() in self._held for h in hashes)]

    def refuses(self, tenant: str, channel: Channel, recipient: Recipient) -> str | None:
        """Why a message may not go out, in words; None: nothing is against it."""
        address = addresses_of(recipient).get(channel)
        causes = self.causes(tenant, channel, address) if address and self._held else []
        return IN_WORDS[causes[0]] if causes else None
