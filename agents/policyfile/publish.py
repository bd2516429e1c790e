"""Puts a policy's text on `policies`, for whoever reads versions there. It is in force only where the inbox says so."""

from datetime import datetime

from agents.activate import activate
from schemas.policies import PolicyPublished
from streams.ids import derive
from streams.policy import Policy

LONGEST = 128
"""Characters of an id of a message."""


def announcement(policy: Policy, tenant: str, at: datetime) -> PolicyPublished:
    """The message that carries a policy; the same version always has the same id."""
    name = f"policy-{policy.name}-{policy.version}" + ("" if tenant == "*" else f"-{tenant}")
    return PolicyPublished(
        id=name if len(name) <= LONGEST else derive("policy", policy.name, policy.version, tenant),
        tenant=tenant,
        at=at,
        version=policy.version,
        policy=policy.model_dump(mode="json"),
    )


async def publish(bootstrap: str, prefix: str, message: PolicyPublished) -> None:
    """Write it to `policies`. Raises Unavailable when the topics are not as they must be."""
    await activate(bootstrap, prefix, message.at, announce=[message])
