"""Any policy that can be read keeps the laws: whatever its caps, hours, gaps, branches, approvals, offers and chain are.

Each history begins with five programmes that want the same two leads in the same moment; some of them a day before the
clock is changed, or before a holiday. What goes out is judged by the version of the policy that it names.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.topics import DECISIONS
from streams.env import EVERYONE, Env
from streams.holdout import held_out, out_of_programme
from streams.policy import Policy
from streams.record import UNANSWERED
from streams.replay import replay
from tests.laws.histories import KNOWN, STEPS, Step, build
from tests.laws.policies import worlds
from tests.laws.reader import (
    REACHES_LEAD,
    deliveries,
    never_in_quiet_hours,
    never_more_than_the_cap_in_any_window,
)
from tests.laws.test_arbiter import everything, never_more_than_a_person_can_bear
from tests.laws.test_chain import (
    a_decision_to_send_has_its_command,
    every_command_has_a_decision_and_every_decision_an_assessment,
    interventions_and_episodes_close_once,
    nothing_goes_out_but_as_the_policy_it_names_says,
)
from tests.laws.world import LEADS, Versions, rules_of
from tests.worlds import START, trace

FEW = settings(max_examples=max(settings().max_examples // 3, 5))
FIVE: list[Step] = [
    (kind, who, n) for who in (0, 3) for kind, n in (("trigger", 0), ("trigger", 1), ("trigger", 2), ("own_actions", 0), ("own_actions", 1))
]  # fmt: skip
STARTS = st.sampled_from(
    [
        START,
        datetime(2026, 3, 7, 15, tzinfo=UTC),  # clocks are put forward, in America
        datetime(2026, 3, 28, 10, tzinfo=UTC),  # in Europe
        datetime(2026, 10, 24, 10, tzinfo=UTC),  # and back
        datetime(2026, 12, 22, 15, tzinfo=UTC),
    ]
)


@FEW
@given(world=worlds(), steps=STEPS, start=STARTS)
def test_no_policy_breaks_the_laws(world: tuple[Versions, Env], steps: list[Step], start: datetime) -> None:
    """Nobody is erased here: what was spent on the erased is forgotten with them."""
    policies, env = world
    pairs = trace(build([*KNOWN, *FIVE, *(s for s in steps if s[0] != "erase")], env, start), env)
    said = everything(pairs)
    every_command_has_a_decision_and_every_decision_an_assessment(said)
    a_decision_to_send_has_its_command(said)
    interventions_and_episodes_close_once(said)
    nothing_goes_out_but_as_the_policy_it_names_says(said, policies)
    never_more_than_the_budget(said, policies[""][EVERYONE])
    decided = {d["intervention"]: d for d in said if d["topic"] == DECISIONS.name and d["verdict"] == "sent"}
    for who, command, known in deliveries(pairs):
        rules = rules_of(policies, who[0], command["policy_version"])
        never_to_a_held_out_lead(who, command, rules)
        if command["channel"] in REACHES_LEAD:
            never_more_than_the_cap_in_any_window(command, known, rules)
            never_in_quiet_hours(command, known, rules)
            known.agrees_to(command["channel"], rules)
        known.was_asked_in_time(command, decided[command["id"]], policies)
        known.rested_since_the_last_of_its_kind(command, rules)
    for tenant in {tenant for tenant, _ in LEADS}:
        never_more_than_a_person_can_bear(pairs, tenant, policies[""][EVERYONE].escalation.most_open)


def never_to_a_held_out_lead(who: tuple[str, str], command: dict[str, Any], rules: Policy) -> None:
    """Neither of everything nor of the programme, which is a stage's playbook or a campaign."""
    assert not held_out(rules.holdout, *who)
    programme = f"campaign.{command['campaign']}" if command["campaign"] else command["stage"]
    if not command["step"].startswith(("ordered_", UNANSWERED)):
        assert not out_of_programme(rules, *who, programme)


def never_more_than_the_budget(said: list[dict[str, Any]], rules: Policy) -> None:
    """By tenant and day on its clock, as the decisions say."""
    days: Counter[tuple[str, date]] = Counter()
    for told in said:
        if told["topic"] == DECISIONS.name and told["verdict"] == "sent":
            day = datetime.fromisoformat(told["at"]).astimezone(ZoneInfo(rules.quiet_hours.timezone)).date()
            days[told["tenant"], day] += told["rank"]["cost_cents"]
    if rules.budget.per_day_cents is not None:
        assert max(days.values(), default=0.0) <= rules.budget.per_day_cents + 1e-9


@settings(max_examples=max(settings().max_examples // 5, 5))
@given(world=worlds(), steps=STEPS, size=st.integers(2, 30))
def test_under_any_policy_it_does_not_matter_where_a_round_was_cut(
    world: tuple[Versions, Env], steps: list[Step], size: int
) -> None:
    _, env = world
    log = build([*KNOWN, *FIVE, *steps], env)
    whole, some = replay({0: log}, env, len(log)), replay({0: log}, env, size)
    assert whole.state == some.state
    assert sorted(map(str, whole.outputs)) == sorted(map(str, some.outputs))
