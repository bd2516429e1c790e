"""Which leads are judged but never contacted, so that what contacting changes can be measured: at all, or by one programme.

A programme is the playbook of a stage, or a campaign. Its own holdout is drawn apart from that of everything, and what it would
have sent is written down just the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.units import Stage
from streams.ids import bucket
from streams.thresholds import Holdout

if TYPE_CHECKING:
    from streams.policy import Policy

BUCKETS = 10_000
CAMPAIGN = "campaign."
"""Before a campaign's name where programmes are named; a stage is named as it is."""


def held_out(rule: Holdout, tenant: str, lead: str) -> bool:
    """True for the same leads every time, until the salt changes."""
    return bucket(rule.salt, tenant, lead, BUCKETS) < round(rule.share * BUCKETS)


def share_of(policy: Policy, programme: str) -> float:
    """Of a programme's own holdout: the playbook of a stage, `campaign.` and a campaign's name, or nothing of the kind (0)."""
    if programme.startswith(CAMPAIGN):
        campaign = policy.campaigns.get(programme.removeprefix(CAMPAIGN))
        return campaign.holdout if campaign else 0.0
    return policy.playbooks.of(Stage(programme)).holdout if programme and programme != Stage.NONE else 0.0


def out_of_programme(policy: Policy, tenant: str, lead: str, programme: str) -> bool:
    """Whether a programme is only written down for the lead; the same draw until the holdout's salt changes."""
    share = share_of(policy, programme)
    return share > 0 and bucket(f"{policy.holdout.salt}/{programme}", tenant, lead, BUCKETS) < round(share * BUCKETS)


def chance(policy: Policy, programme: str, *, out: bool) -> float:
    """With which chance a lead is in this arm of a programme: held out of everything or of it, or treated."""
    everything, own = policy.holdout.share, share_of(policy, programme)
    if not own:
        return everything if out else 1 - everything
    treated = round((1 - everything) * (1 - own), 9)
    return round(1 - treated, 9) if out else treated
