"""What the rules are not asked about would have changed nothing: `wants` saves work, and only that."""

from __future__ import annotations

from hypothesis import given

from schemas import events as e
from streams.env import Env
from streams.lead import Message
from streams.policy import Policy
from streams.replay import replay
from streams.vocabulary import Meaning
from streams.wants import ANYBODYS, Wants
from tests.laws.histories import MODEST, histories
from tests.laws.world import ENV, POLICIES


class AllEars(Wants):
    """Listens to everything of everybody."""

    def hears(self, event: e.Activity, told: Meaning) -> int:
        """Yes."""
        return ANYBODYS

    def cares(self, mood: float) -> bool:
        """Yes."""
        return True


def _all_ears(policy: Policy) -> Policy:
    curious = policy.model_copy()
    if policy.wants is not None:
        curious.__dict__["wants"] = AllEars(*policy.wants)  # where a cached property keeps what it found
    return curious


EARS = Env(
    {version: {tenant: _all_ears(p) for tenant, p in tenants.items()} for version, tenants in POLICIES.items()},
    ENV.scorers,
    weights=ENV.weights,
)


@MODEST
@given(log=histories())
def test_who_asks_the_rules_about_everything_learns_nothing_more(log: list[Message]) -> None:
    """All outputs and all states are the same to the byte, whether the rules see every event or those that are wanted."""
    wanted, everything = replay({0: log}, ENV, 20), replay({0: log}, EARS, 20)
    assert sorted(wanted.outputs) == sorted(everything.outputs)
    assert wanted.state == everything.state
