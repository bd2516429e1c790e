"""A version of a policy is for good: what is told anew under its number is refused before it is written."""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.policyfile.known import left_behind, unannounced
from agents.policyfile.publish import announcement
from schemas.errors import PolicyInvalid
from schemas.policies import PolicyPublished
from streams.policy import Policy
from tests.worlds import ROOT, policy

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FIRST = {"*": policy()}


def second(**caps: Any) -> Policy:
    """A version after that of the files."""
    return policy({"version": "2", "caps": caps})


def told(one: Policy, tenant: str = "*", hours: int = 0) -> PolicyPublished:
    """Its announcement."""
    return announcement(one, tenant, NOW + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("one", "tenants", "known", "first", "wanted"),
    [
        (second(), ["*"], [], FIRST, ["*"]),
        (second(), ["*"], [told(policy({"version": "3"}))], FIRST, ["*"]),
        (second(), ["*"], [told(second())], FIRST, []),
        (second(), ["acme", "*"], [], FIRST, ["acme", "*"]),
        (second(), ["acme"], [told(second(max_per_day=2), "busy")], FIRST, ["acme"]),
        (second(), ["acme", "*"], [told(second(), "acme")], FIRST, ["*"]),
        (second(), ["acme", "*"], [told(second())], FIRST, []),
        (policy(), ["*"], [], FIRST, ["*"]),
    ],
)
def test_only_what_is_not_known_yet_is_announced(
    one: Policy, tenants: list[str], known: list[PolicyPublished], first: Mapping[str, Policy], wanted: list[str]
) -> None:
    assert unannounced(one, tenants, known, first) == wanted


@pytest.mark.parametrize(
    ("one", "tenants", "known", "first", "said"),
    [
        (second(max_per_day=2), ["*"], [told(second())], FIRST,
         ("version 2 was published for every tenant at 2026-03-01 00:00 UTC, with other content: caps.max_per_day is 1 there "
         "and 2 here; give the new one a new version")),
        (second(), ["*"], [told(second(max_per_day=2)), told(second(), hours=1)], FIRST, "is 2 there and 1 here"),
        (second(max_per_day=2, max_per_week=9), ["acme", "*"], [told(second(), "acme")], FIRST,
         ("version 2 was published for acme at 2026-03-01 00:00 UTC, with other content: caps.max_per_day is 1 there and 2 here, "
         "and 1 more differ")),
        (policy({"caps": {"max_per_day": 2}}), ["*"], [], FIRST, "version 1 is that of the file which workers start with"),
        (policy({"caps": {"max_per_day": 2}}), ["acme"], [], FIRST, "version 1 is that of the file which workers start with"),
        (second(), ["acme"], [], {**FIRST, "acme": second(max_per_day=2)}, "caps.max_per_day is 2 there and 1 here"),
        (second(max_per_day=2), ["acme"], [told(second())], FIRST, "version 2 is complete since it was published for every"),
        (second(), ["acme"], [told(second())], {**FIRST, "acme": policy({"version": "9"})}, "nothing of acme can be added"),
        (second(), ["*"], [told(second()).model_copy(update={"policy": {"name": "x"}})], FIRST, "cannot be read by this program"),
    ],
)  # fmt: skip
def test_other_content_under_a_known_version_is_refused(
    one: Policy, tenants: list[str], known: list[PolicyPublished], first: Mapping[str, Policy], said: str
) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        unannounced(one, tenants, known, first)
    assert said in str(caught.value)
    assert "give the new one a new version" in str(caught.value)


def test_tenants_that_lose_their_own_are_named() -> None:
    known = [
        told(policy({"version": "4"}), "acme", 1), told(second(), "acme"), told(second()), told(second(), "busy"),
        told(policy({"version": "3"}), "busy"), told(second(), "filed"),
    ]  # fmt: skip
    first = {**FIRST, "filed": policy()}
    assert left_behind("3", known, first) == {"acme": "4"}
    assert left_behind("2", known, first) == {}
    assert left_behind("9", known, first) == {"acme": "4", "busy": "3"}


def test_what_is_told_of_a_policy_is_the_same_in_every_process() -> None:
    """Python orders sets of words anew in each."""
    code = (
        "from agents.policyfile.read import load_policy; from agents.policyfile.tell import keys_of; from pathlib import Path\n"
        "policy = load_policy(Path('deploy/policies/subscription.toml'))\n"
        "print(policy.model_dump_json(), keys_of(policy))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    ]
    assert len(set(said)) == 1
    assert b"episodes.converting" in said[0]
