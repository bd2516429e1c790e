"""What the fold is handed besides the log: policies and models by version. Never a clock, never a connection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from schemas.weights import Weights
from streams.policy import Policy
from streams.risk import Scorer
from streams.vocabulary import ReadMood

EVERYONE = "*"
"""The tenant under which the default policy stands."""
NOTHING_LEARNED = Weights()


@dataclass(frozen=True)
class Env:
    """Versions the fold may need. The empty version is the one in force before the log activates another.

    Args:
        policies: version -> tenant -> policy; each version has at least the tenant `*`.
        scorers: version -> scorer.
        home: key -> partition where it belongs; None skips that check (one partition, replay of a list).
        partitions: of the inbox; a tenant's budget is divided by it.
        weights: version -> tenant -> what was learned.
        moods: language -> what reads the mood of texts in it; a policy names its language.
        address_key: secret with which suppressed addresses are hashed; no decision rests on it.
    """

    policies: Mapping[str, Mapping[str, Policy]]
    scorers: Mapping[str, Scorer]
    home: Callable[[bytes], int] | None = field(default=None)
    moods: Mapping[str, ReadMood] = field(default_factory=dict)
    partitions: int = 1
    weights: Mapping[str, Mapping[str, Weights]] = field(default_factory=dict)
    address_key: bytes = field(default=b"", repr=False)

    def learned(self, version: str, tenant: str) -> Weights:
        """What was learned for the tenant in that version; nothing before a version was put in force."""
        found = self.weights.get(version, {})
        return found.get(tenant) or found.get(EVERYONE) or NOTHING_LEARNED

    def read_mood(self, policy: Policy) -> ReadMood | None:
        """What reads messages in the policy's language; None: nobody does."""
        return self.moods.get(policy.language) if policy.language else None

    def policy(self, version: str, tenant: str) -> Policy:
        """The tenant's policy in that version."""
        policies = self.policies[version]
        return policies.get(tenant) or policies[EVERYONE]
