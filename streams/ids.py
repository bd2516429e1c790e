"""Ids are derived, never drawn: replay, redelivery and re-scoring all meet the same id.

Never part of an id: an offset, a clock, a score, an attempt.
"""

from hashlib import blake2b

VERSION = "v1"
SEPARATOR = "\x1f"


def derive(prefix: str, *parts: str | int) -> str:
    """30 hexadecimal digits under a readable prefix, from the parts in order.

    120 bits of BLAKE2b: among 10**12 ids the chance of any collision is about 4e-13.
    """
    text = SEPARATOR.join((VERSION, prefix, *map(str, parts)))
    return f"{prefix}-{blake2b(text.encode(), digest_size=15).hexdigest()}"


def bucket(salt: str, tenant: str, lead: str, buckets: int = 10_000) -> int:
    """A lead's stable bucket (0 to buckets - 1) in one experiment; another salt is another draw."""
    digest = blake2b(f"{salt}:{tenant}:{lead}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % buckets


def life_of(tenant: str, lead: str, cause: str) -> int:
    """64 bits that name one life of a lead, by its first message: erased and heard of again, it is another one.

    Among 10**8 lives the chance that any two have the same is 3e-4; ids that rest on it are told apart by their key, too.
    """
    return fingerprint(f"{tenant}:{lead}:{cause}")


def fingerprint(text: str) -> int:
    """64 bits of an event id, never 0, for the duplicate ring of a lead."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") or 1
