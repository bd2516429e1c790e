"""A version on trial judges its share of the leads, always the same ones, and says so; taken back, it judges nobody."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Activate
from streams.env import EVERYONE, Env
from streams.lead import Partition, fold
from streams.risk import RuleScorer
from streams.rollout import activate, in_use, versions_of
from streams.state import PartitionState, decode_partition, encode_partition
from tests.laws.world import Stern
from tests.worlds import START, message, policy

LEADS = [f"L{n}" for n in range(2000)]
VERSIONS = st.sampled_from(("a", "b", "c"))
SHARES = st.none() | st.sampled_from((0.0, 0.1, 0.35, 0.5, 1.0))
ORDERS = st.lists(st.tuples(st.booleans(), VERSIONS, SHARES, st.sampled_from((EVERYONE, "acme", "zeta"))), max_size=8)


def _order(*, model: bool, version: str, share: float | None, tenant: str) -> Activate:
    named = {"model" if model else "policy": version}
    whose = tenant if share is not None else EVERYONE
    return Activate(type="activate", id="a", partition=0, at=START, share=share, tenant=whose, **named)  # type: ignore[arg-type]


def _after(orders: list[tuple[bool, str, float | None, str]]) -> PartitionState:
    state = PartitionState()
    for model, version, share, tenant in orders:
        activate(state, _order(model=model, version=version, share=share, tenant=tenant))
    return state


def _judged(state: PartitionState, tenant: str, version: str) -> set[str]:
    return {lead for lead in LEADS if versions_of(state, tenant, lead).model == version}


@given(orders=ORDERS)
def test_whatever_was_ordered_a_lead_is_judged_by_what_is_at_hand(orders: list[Any]) -> None:
    """And the state that says so goes through the changelog and back."""
    state = _after(orders)
    there = set(in_use(state))
    for lead in LEADS[:50]:
        for tenant in ("acme", "zeta", "else"):
            told = versions_of(state, tenant, lead)
            assert told.policy in {v.policy for v in there}
            assert told.model in {v.model for v in there}
    assert decode_partition(encode_partition(state)) == state


@given(orders=ORDERS, version=VERSIONS)
def test_a_version_for_everybody_ends_every_trial_of_its_kind(orders: list[Any], version: str) -> None:
    state = _after([*orders, (True, version, None, EVERYONE)])
    assert {v.model for v in in_use(state)} == {version}
    assert state.policies == _after(orders).policies, "a trial of a policy is another matter"


@given(orders=ORDERS, tenant=st.sampled_from((EVERYONE, "acme")))
def test_taken_back_it_judges_nobody_of_those_it_was_taken_from(orders: list[Any], tenant: str) -> None:
    state = _after([*orders, (True, "a", 0.0, tenant)])
    before = _after(orders)
    for whose in ("acme", "zeta"):
        if tenant in {EVERYONE, whose} and state.model != "a":
            assert not _judged(state, whose, "a")
        elif tenant not in {EVERYONE, whose}:
            assert _judged(state, whose, "a") == _judged(before, whose, "a"), "of no concern to other tenants"


@given(shares=st.lists(st.integers(0, 100), min_size=2, max_size=2).map(sorted))
def test_a_greater_share_takes_more_in_and_lets_none_go(shares: list[int]) -> None:
    small, great = (_judged(_after([(True, "a", n / 100, EVERYONE)]), "acme", "a") for n in shares)
    assert small <= great
    for n, drawn in zip(shares, (small, great), strict=True):
        assert len(drawn) / len(LEADS) == pytest.approx(n / 100, abs=0.05), "4.5 standard deviations at most"


def test_two_versions_are_two_draws() -> None:
    """Else those of one trial would be those of the next, again and again."""
    one, other = (_judged(_after([(True, v, 0.5, EVERYONE)]), "acme", v) for v in ("a", "b"))
    assert 0.4 < len(one & other) / len(one) < 0.6


def test_each_assessment_and_decision_names_the_versions_that_made_it_and_a_rollback_holds_at_once() -> None:
    """By events and by ticks, side by side; from the order on the ones on trial are judged as the others."""
    new = policy({"version": "2"})
    env = Env({"": {EVERYONE: policy()}, "2": {EVERYONE: new}}, {"": RuleScorer(), "stern": Stern()})
    partition, told, count, at = Partition(0), list[dict[str, Any]](), 0, START

    def say(body: dict[str, Any]) -> None:
        nonlocal count
        done = fold(partition, [message(count, {"id": f"e{count}", "at": at.isoformat(), **body}, at)], env)
        assert not done.rejected
        told.extend(json.loads(out.value or b"") for out in done.outputs)
        count += 1

    def live(hours: int) -> None:
        nonlocal at
        for lead in LEADS[:40]:
            about = {"tenant": "acme", "lead": lead}
            say({"type": "profile_updated", **about, "email": f"{lead}@example.com", "timezone": "America/New_York"})
            say({"type": "item_viewed", **about, "item": "x"})
        for _ in range(hours // 6):
            at += timedelta(hours=6)
            say({"type": "tick", "partition": 0})

    def versions() -> dict[str, set[tuple[str, str]]]:
        found: dict[str, set[tuple[str, str]]] = {}
        for one in told:
            if "model_version" in one:
                found.setdefault(one["lead"], set()).add((one["policy_version"], one["model_version"]))
        return found

    say({"type": "activate", "partition": 0, "model": "stern", "share": 0.5})
    say({"type": "activate", "partition": 0, "policy": "2", "share": 0.5})
    live(20 * 24)
    trial = versions()
    expected = {lead: versions_of(partition.state, "acme", lead) for lead in LEADS[:40]}
    assert {"decided", "lead_assessed", "deliver_intervention"} <= {one["type"] for one in told}
    for lead, seen in trial.items():
        p, m, _ = expected[lead]
        assert seen == {(p or policy().version, m or "rule-2")}
    assert len({frozenset(seen) for seen in trial.values()}) == 4, "both trials go on, neither knows of the other"
    say({"type": "activate", "partition": 0, "model": "stern", "share": 0})
    say({"type": "activate", "partition": 0, "policy": "2", "share": 0})
    told.clear()
    live(24)
    assert {v for seen in versions().values() for v in seen} == {(policy().version, "rule-2")}
