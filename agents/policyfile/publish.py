"""Puts a policy's text on `policies`, for whoever reads versions there. It is in force only where the inbox says so."""

from datetime import datetime

from agents.activate import activate
from schemas.policies import PolicyPublished
from streams.policy import Policy


def announcement(policy: Policy, tenant: str, at: datetime) -> PolicyPublished:
    """The message that carries a policy; the same version always has the same id."""
    return PolicyPublished(
        id=f"policy-{policy.name}-{policy.version}" + ("" if tenant == "*" else f"-{tenant}"),
        tenant=tenant,
        at=at,
        version=policy.version,
        policy=policy.model_dump(mode="json"),
    )


async def publish(bootstrap: str, prefix: str, message: PolicyPublished) -> None:
    """Write it to `policies`. Raises Unavailable when the topics are not as they must be."""
    await activate(bootstrap, prefix, message.at, announce=[message])
