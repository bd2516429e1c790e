"""Which leads are judged but never contacted, so that what contacting changes can be measured: at all, or by one programme.

A programme is the playbook of a stage. Its own holdout is drawn apart from that of everything, and what it would have sent is
written down just the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.units import Stage
from streams.ids import bucket
from streams.thresholds import Holdout

if TYPE_CHECKING:
    from streams.policy import Policy

BUCKETS = 10_000


def held_out(rule: Holdout, tenant: str, lead: str) -> bool:
    """True for the same leads every time, until the salt changes."""
    return bucket(rule.salt, tenant, lead, BUCKETS) < round(rule.share * BUCKETS)


def out_of_programme(policy: Policy, tenant: str, lead: str, stage: Stage) -> bool:
    """Whether the playbook of this stage is only written down for the lead; the same draw until the holdout's salt changes."""
    share = policy.playbooks.of(stage).holdout
    return share > 0 and bucket(f"{policy.holdout.salt}/{stage}", tenant, lead, BUCKETS) < round(share * BUCKETS)


def chance(policy: Policy, stage: Stage, *, out: bool) -> float:
    """With which chance a lead is in this arm of a programme: held out of everything or of it, or treated."""
    everything, programme = policy.holdout.share, policy.playbooks.of(stage).holdout
    if not programme:
        return everything if out else 1 - everything
    treated = round((1 - everything) * (1 - programme), 9)
    return round(1 - treated, 9) if out else treated
