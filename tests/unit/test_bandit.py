"""What experiments show: exact chances, rates that a good week does not bend, intervals that many looks do not break."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.cli.learn import in_words
from agents.habits import Habits
from agents.learned import Log, announcement, learn
from schemas.outcomes import InterventionTracked
from streams.bandit import Trial, chances_of_best, shown
from streams.credit import firsts, trials
from streams.env import EVERYONE
from streams.experiments import Experiment
from streams.intervals import half_width
from streams.policy import Policy
from streams.variants import probabilities
from tests.worlds import policy

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TWO: dict[str, Any] = {
    "template": "early_warning.email",
    "variants": {"plain": {"template": "early_warning.email"}, "short": {"template": "active_risk.email"}},
}
EXPERIMENT = Experiment.model_validate(TWO)
POLICY: Policy = policy({"experiments": {"words": TWO}, "episodes": {"attribution_days": 14}})


def tracked_row(lead: str, days_ago: float, variant: str = "plain", **fields: Any) -> InterventionTracked:
    at = NOW - timedelta(days=days_ago)
    body = {
        "id": f"t-{lead}-{days_ago}", "tenant": "acme", "lead": lead, "at": at + timedelta(days=15),
        "intervention": f"i-{lead}-{days_ago}", "episode": 1, "stage": "early_warning", "step": "note",
        "channel": "email", "arm": "treated", "commanded_at": at, "status": "delivered", "outcome": "ignored",
        "final": True, "engaged": False, "success_score": 0.2, "cost_cents": 0, "hours": 24, "policy_version": "1",
        "drawn": [{"experiment": "words", "variant": variant, "propensity": 0.5}],
    }  # fmt: skip
    return InterventionTracked.model_validate(body | fields)


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 400)).map(lambda c: (min(c), max(c))), min_size=1, max_size=5
    )
)
def test_chances_of_being_best_add_up_and_follow_the_rates(counts: list[tuple[int, int]]) -> None:
    chances = chances_of_best(counts)
    assert sum(chances) == pytest.approx(1, abs=1e-5)
    assert all(0 <= chance <= 1 for chance in chances)
    assert chances_of_best(counts[::-1]) == pytest.approx(chances[::-1], abs=1e-6), (
        "no variant is favoured by its place"
    )
    same = [(s, n) for s, n in counts if n == counts[0][1]]
    ranked = sorted(zip(chances_of_best(same), same, strict=True), key=lambda pair: pair[1][0])
    assert [c for c, _ in ranked] == sorted(c for c, _ in ranked)


@pytest.mark.parametrize("counts", [[(10, 100), (14, 100)], [(500, 1000), (520, 1000), (100, 1000)], [(3, 5), (0, 0)]])
def test_the_chances_are_those_of_thompson_sampling(counts: list[tuple[int, int]]) -> None:
    """A hundred thousand rolls of the dice come to the same."""
    dice = np.random.default_rng(1)
    rolled = np.stack([dice.beta(1 + s, 1 + n - s, 100_000) for s, n in counts]).argmax(axis=0)
    often = np.bincount(rolled, minlength=len(counts)) / 100_000
    assert chances_of_best(counts) == pytest.approx(often.tolist(), abs=0.006)


def test_a_variant_that_was_drawn_more_in_a_good_week_is_not_better_for_it() -> None:
    """Both keep 10 % in the bad week and 50 % in the good one; the raw rates differ by 24 points."""
    rows = [
        Trial(variant, chance, i < kept * n, engaged=False)
        for variant, chance, n, kept in (("plain", 0.8, 800, 0.1), ("short", 0.2, 200, 0.1),
                                         ("plain", 0.2, 200, 0.5), ("short", 0.8, 800, 0.5))
        for i in range(n)
    ]  # fmt: skip
    seen = shown(list(EXPERIMENT.variants), rows)
    raw = [np.mean([r.success for r in rows if r.variant == v]) for v in ("plain", "short")]
    assert raw[1] - raw[0] > 0.2
    assert [arm.rate for arm in seen.arms.values()] == pytest.approx([0.3, 0.3])
    assert [arm.best for arm in seen.arms.values()] == pytest.approx([0.5, 0.5], abs=0.01)
    assert seen.arms["plain"].n < seen.arms["plain"].leads, "and is worth less than so many that were drawn evenly"
    assert seen.winner is None


def test_who_opens_more_and_stays_less_does_not_win() -> None:
    rows = [Trial("plain", 0.5, i % 10 < 5, i % 10 < 1) for i in range(2000)]
    rows += [Trial("short", 0.5, i % 10 < 2, i % 10 < 9) for i in range(2000)]
    seen = shown(list(EXPERIMENT.variants), rows)
    assert (seen.leader, seen.winner) == ("plain", "plain")
    assert seen.arms["short"].opened > seen.arms["plain"].opened
    assert seen.arms["plain"].best > 0.999
    with pytest.raises(ValueError, match="kept"):
        Experiment.model_validate(TWO | {"goal": "opened"})


def test_intervals_hold_at_all_looks_together() -> None:
    """Two variants that do not differ, looked at on each of 28 days: a fixed interval is wrong in a quarter of cases."""
    dice, looks, daily = np.random.default_rng(7), 28, 50
    kept = dice.binomial(daily, 0.2, (2, 2000, looks)).cumsum(axis=2)
    n = daily * np.arange(1, looks + 1)
    rates = kept / n
    se = np.sqrt((rates * (1 - rates) / n).sum(axis=0))
    apart = np.abs(rates[0] - rates[1])
    wide = np.array([half_width(1.0, 2 * k) for k in n.tolist()])
    assert (apart > 1.96 * se).any(axis=1).mean() > 0.2
    assert (apart > wide * se).any(axis=1).mean() < 0.05
    assert half_width(0.01, 0) == float("inf")


def test_a_lead_counts_once_by_its_first_message_and_only_when_its_time_is_over() -> None:
    rows = [
        tracked_row("a", 40, "short", outcome="re_engaged"),
        tracked_row("a", 20, "short"),  # its second message
        tracked_row(
            "b", 13, outcome="converted"
        ),  # could still come to nothing else, but slow ones could not be known yet
        tracked_row("c", 30, arm="holdout"),
        tracked_row("d", 30, final=False, outcome="in_progress"),
        tracked_row("e", 15, outcome="unknown"),
        tracked_row("e", 15, outcome="unknown"),  # told twice
        tracked_row("f", 30, drawn=[]),
        tracked_row("g", 15, outcome="failed", status="bounced"),
    ]
    counted = trials(firsts(rows)["acme", "words"], "words", "kept", POLICY, NOW)
    assert sorted(counted) == sorted(
        [Trial("short", 0.5, True, False), Trial("plain", 0.5, False, False), Trial("plain", 0.5, False, False)]
    )
    assert firsts(rows[::-1]) == {("acme", "words"): firsts(rows[::-1])["acme", "words"]}
    assert sorted(trials(firsts(rows[::-1])["acme", "words"], "words", "kept", POLICY, NOW)) == sorted(counted)


def test_what_is_published_follows_from_the_outcomes_alone() -> None:
    rows = [
        tracked_row(f"L{i}", 30, ("plain", "short")[i % 2], outcome=("ignored", "re_engaged")[i % 4 == 1])
        for i in range(200)
    ]
    habits = Habits([], {EVERYONE: POLICY}, NOW)
    first, again = (learn(Log(some), habits, {EVERYONE: POLICY}) for some in (rows, rows[::-1] + rows[:7]))
    assert first is not None
    assert again is not None
    assert announcement(first) == announcement(again)
    told = announcement(first).weights["acme"].experiments["words"]
    assert told["short"] > 0.99
    two = learn(Log([*rows, tracked_row("x", 30, tenant="zeta")]), habits, {EVERYONE: POLICY})
    assert two is not None
    assert two.tenants.keys() == {"acme", "zeta"}
    assert learn(Log([]), habits, {EVERYONE: POLICY}) is None


def test_the_report_says_what_is_not_known() -> None:
    few = in_words(
        shown(list(EXPERIMENT.variants), [Trial("plain", 0.5, True, True)] * 30),
        "kept",
        14,
        probabilities(EXPERIMENT, {}),
    )
    assert few[-1] == "not enough data: 20 leads of each variant are the least"
    same = [Trial(v, 0.5, i % 5 == 0, i % 2 == 0) for v in ("plain", "short") for i in range(400)]
    words = in_words(shown(list(EXPERIMENT.variants), same), "kept", 14, probabilities(EXPERIMENT, {}))
    assert words[-1].startswith("not yet known; by now a difference of ")
    better = [Trial("plain", 0.5, i % 5 == 0, True) for i in range(800)] + [
        Trial("short", 0.5, i % 2 == 0, True) for i in range(800)
    ]
    won = in_words(shown(list(EXPERIMENT.variants), better), "kept", 14, probabilities(EXPERIMENT, {}))
    assert won[-1] == "short is better than every other variant"
    assert all(len(line) <= 80 for line in (*few, *words, *won)), "\n".join(won)
