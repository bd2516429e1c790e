"""A version of a policy is for good: its content is never told anew, so that a replay judges as it was judged live.

Workers that run keep what they read first; one that starts later may find only the last record of a key, since `policies` is
compacted. So other content under a known version has to be refused before it is written.
"""

from collections.abc import Iterable, Mapping, Sequence

from agents.policyfile.tell import differences
from schemas.errors import PolicyInvalid
from schemas.policies import PolicyPublished
from streams.env import EVERYONE
from streams.policy import Policy, parse_policy

REMEDY = "give the new one a new version (version = … in its file)"


def unannounced(
    policy: Policy, tenants: Sequence[str], announced: Iterable[PolicyPublished], first: Mapping[str, Policy]
) -> list[str]:
    """For whom of these tenants this version still has to be announced.

    Args:
        policy: What is to be published or put in force.
        tenants: For whom; `*`: for everyone.
        announced: What `policies` holds, every record of it.
        first: The policies of the files that workers start with, by tenant; `*` is among them.

    Raises:
        PolicyInvalid: The version is known with other content, or was complete before a tenant was added.
    """
    told = [one for one in announced if one.version == policy.version]
    wanted = []
    for tenant in tenants:
        _same_as_file(policy, tenant, first)
        mine = [one for one in told if one.tenant == tenant]
        for one in mine:
            _same(policy, _read(one), f"was published for {whose(tenant)} at {one.at:%Y-%m-%d %H:%M} UTC")
        if mine:
            continue
        everyones = next((one for one in told if one.tenant == EVERYONE), None)
        if everyones is None:
            wanted.append(tenant)
        elif tenant in first or _read(everyones) != policy:
            raise PolicyInvalid(
                f"version {policy.version} is complete since it was published for every tenant, at "
                f"{everyones.at:%Y-%m-%d %H:%M} UTC: nothing of {tenant} can be added; {REMEDY}, and publish that of "
                f"{tenant} before that of everyone"
            )
    return wanted


def left_behind(version: str, announced: Iterable[PolicyPublished], first: Mapping[str, Policy]) -> dict[str, str]:
    """Tenants that had a policy announced for them, with the newest version of it, and have none under this version.

    Once this version judges all leads, it judges theirs too: what was rolled out to a share, or to a single tenant, ends.

    Args:
        version: What is put in force for all leads.
        announced: What `policies` holds.
        first: The policies of the files that workers start with; a tenant with a file has that one under each version.
    """
    newest: dict[str, str] = {}
    theirs = {EVERYONE, *first}
    for one in sorted(announced, key=lambda one: one.at):
        newest[one.tenant] = one.version
        theirs |= {one.tenant} if one.version == version else set()
    return {tenant: newest[tenant] for tenant in sorted(newest.keys() - theirs)}


def whose(tenant: str) -> str:
    """A tenant in words."""
    return "every tenant" if tenant == EVERYONE else tenant


def _same_as_file(policy: Policy, tenant: str, first: Mapping[str, Policy]) -> None:
    file = first.get(tenant, first[EVERYONE])
    if policy.version in {file.version, first[EVERYONE].version}:
        _same(
            policy, file, "is that of the file which workers start with (LEADKEEPER_POLICY, LEADKEEPER_TENANT_POLICIES)"
        )


def _same(policy: Policy, known: Policy | None, how: str) -> None:
    if known is None:
        raise PolicyInvalid(f"version {policy.version} {how}, and cannot be read by this program; {REMEDY}")
    if known != policy:
        found = differences(known, policy)
        key, before, now = found[0]
        more = f", and {len(found) - 1} more differ" if len(found) > 1 else ""
        there, here = ("not set" if value is None else value for value in (before, now))
        raise PolicyInvalid(
            f"version {policy.version} {how}, with other content: {key} is {there} there and {here} here{more}; {REMEDY}"
        )


def _read(one: PolicyPublished) -> Policy | None:
    try:
        return parse_policy(one.policy, "it")
    except PolicyInvalid:
        return None
