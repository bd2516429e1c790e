"""Which leads are judged but never contacted, so that what contacting changes can be measured."""

from streams.ids import bucket
from streams.thresholds import Holdout

BUCKETS = 10_000


def held_out(rule: Holdout, tenant: str, lead: str) -> bool:
    """True for the same leads every time, until the salt changes."""
    return bucket(rule.salt, tenant, lead, BUCKETS) < round(rule.share * BUCKETS)
