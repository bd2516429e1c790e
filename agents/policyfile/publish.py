"""Puts a policy's text on `policies`, for whoever reads versions there. It is in force only where the inbox says so."""

from datetime import datetime

from agents.broker import probe
from agents.topics import check
from agents.writer import Out, Writer, partition_for
from schemas import topics
from schemas.errors import Unavailable
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
    """Write it to `policies`.

    Raises:
        Unavailable: The topics are not as they must be.
    """
    flavour = await probe(bootstrap)
    partitions, wrong = await check(bootstrap, prefix)
    if wrong:
        raise Unavailable(wrong[0])
    key = message.tenant.encode()
    writer = Writer(bootstrap, idempotent=flavour.idempotent, client_id="policy")
    await writer.start()
    try:
        topic = prefix + topics.POLICIES.name
        await writer.produce([Out(topic, partition_for(key, partitions), key, message.model_dump_json().encode())])
    finally:
        await writer.stop()
