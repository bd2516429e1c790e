"""Being stuck and going back as risk features: when they change, that training sees them as the rules do, what they are worth."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.agreement import agreement
from agents.logged import LoggedEvent
from agents.snapshots import ActivityLog
from agents.train import train
from streams.env import EVERYONE, Env
from streams.explain import in_words
from streams.features import DAY
from streams.journey import Move
from streams.labels import Label
from streams.lead import Message
from streams.lifecycle import Journey
from streams.record import Travelled
from streams.replay import replay
from streams.risk import FAMILIES, RuleScorer
from streams.stuck import LATEST, MOST_BACK, NOWHERE, Standing, after, standing
from streams.vector import COLUMN, NAMES, vectors
from tests.planted import DAYS, POLICY
from tests.planted import message as logged
from tests.unit.lives import CALM, Life
from tests.worlds import START, env, lead_named, message, policy

STAGES: list[dict[str, Any]] = [
    {"name": "prospect", "done_on": ["viewing_booked"], "milestones": ["price_alert_set"], "stalled_after_days": 30},
    {
        "name": "deciding",
        "done_on": ["offer_made"],
        "back_on": ["offer_withdrawn"],
        "blockers": ["payment_failed"],
        "typical_days": 10,
    },
    {"name": "negotiating", "done_on": ["closed_won"], "back_on": ["offer_withdrawn"]},
    {"name": "client", "back_on": ["closed_churned"], "stalled_after_days": 5},
]
JOURNEY: dict[str, Any] = {"stages": STAGES, "follow_crm": True}


def living(journey: Any = JOURNEY) -> Life:
    """A lead on a journey, and no campaigns."""
    life = Life({"journey": journey, "campaigns": {}, "publish": {"min_change": 0}})
    life.tell(0, "item_viewed", item="x")
    return life


def felt(life: Life, day: float) -> tuple[float, float]:
    """Days overdue (NaN: no such time) and moves back, as the risk on a day goes by them."""
    row = life.partition.table.index[f"acme:{life.lead}".encode()]
    at = (START + timedelta(days=day)).timestamp()
    x = vectors(life.partition.table.rows[[row]], np.array([at]))[0]
    return float(x[COLUMN["stage_overdue_days"]]), float(x[COLUMN["backward_moves"]])


def custom(life: Life, day: float, kind: str, **when: float) -> list[dict[str, Any]]:
    """An event of the vocabulary."""
    return life.tell(day, "custom", kind=kind, **when)


def test_days_overdue_run_from_the_moment_from_which_a_lead_counts_as_stuck() -> None:
    life = living()
    assert np.isnan(felt(life, 90)[0]), "nothing was heard of it on the way"
    custom(life, 1, "viewing_booked")
    assert felt(life, 20.9) == (0.0, 0.0)
    assert felt(life, 33) == pytest.approx((12, 0)), "twice ten days from the day after the first"
    custom(life, 34, "offer_made")
    assert np.isnan(felt(life, 99)[0]), "no time is set for negotiating"


def test_a_milestone_of_the_first_stage_starts_its_time_with_the_lead() -> None:
    life = living()
    custom(life, 10, "price_alert_set")
    assert felt(life, 31) == pytest.approx((1, 0))


def test_moves_back_are_counted_until_the_lead_moves_on() -> None:
    life = living()
    for day in (1, 3):
        life.tell(day, "crm_stage_changed", stage="negotiating")
        custom(life, day + 1, "offer_withdrawn")
    assert felt(life, 5)[1] == 1.0, "it went on in between"
    life.tell(6, "crm_stage_changed", stage="prospect")
    assert felt(life, 6)[1] == 2.0
    custom(life, 7, "offer_withdrawn", happened=2)
    assert felt(life, 7)[1] == 2.0, "told late, it says nothing"
    custom(life, 8, "viewing_booked")
    assert felt(life, 8)[1] == 0.0


def test_going_back_counts_for_the_risk_that_is_told_at_that_moment() -> None:
    """And nothing is left for the next look: a lead that was not touched is not told another risk."""
    told = []
    elsewhere, here = living({}), living()
    for life in (elsewhere, here):
        custom(life, 1, "offer_made")
        told += [t["probability"] for t in custom(life, 1.01, "offer_withdrawn") if t["type"] == "lead_assessed"]
    assert np.diff([np.log(p / (1 - p)) for p in told]) == pytest.approx(0.4)
    here.ticks(2, 2)
    (row,) = here.partition.table.index.values()
    assert here.partition.table.rows["published"][row] >= told[1] - 0.02


def test_a_closing_is_a_step_too() -> None:
    life = living()
    custom(life, 1, "offer_made")
    life.tell(2, "lead_closed", outcome="won")
    assert felt(life, 10) == pytest.approx((3, 0))
    life.tell(11, "lead_closed", outcome="churned")
    assert felt(life, 11)[1] == 1.0


def test_a_policy_that_no_longer_has_the_stage_takes_both_away_with_the_next_look() -> None:
    rules: dict[str, Any] = {**CALM, "journey": JOURNEY, "campaigns": {}}
    other = {"stages": [{"name": "new", "done_on": ["viewing_booked"]}, {"name": "old"}]}
    policies = {"": policy(rules), "2": policy({**rules, "version": "2", "journey": other})}
    world = Env({version: {EVERYONE: one} for version, one in policies.items()}, {"": RuleScorer()})
    lead = {"tenant": "acme", "lead": lead_named("L", tenant="acme", out=False)}
    told: list[tuple[float, dict[str, Any]]] = [
        (0, {"type": "custom", "kind": "offer_made", **lead}),
        (1, {"type": "custom", "kind": "offer_withdrawn", **lead}),
        (30, {"type": "tick", "partition": 0}),
        (31, {"type": "activate", "partition": 0, "policy": "2", "within_minutes": 1}),
        (32, {"type": "tick", "partition": 0}),
    ]
    log = [
        message(i, {"id": f"e{i}", "at": (START + timedelta(days=at)).isoformat(), **body}, START + timedelta(days=at))
        for i, (at, body) in enumerate(told)
    ]
    stands = []
    for n in (2, 5):
        life = Life()
        life.partition.restore((k, v, 0) for k, v in replay({0: log[:n]}, world).state[0].items())
        row = life.partition.table.rows[0]
        stands.append(Standing(int(row["stuck_from"]), int(row["backward"])))
    assert stands == [Standing(round((START + timedelta(days=21)).timestamp()), 1), NOWHERE]


def test_what_the_row_has_no_room_for_is_cut() -> None:
    journey = Journey.model_validate(JOURNEY)
    assert after(MOST_BACK, Move(2, 1)) == MOST_BACK
    assert after(MOST_BACK, Move(1, 2)) == 0
    assert standing(journey, Travelled("deciding", 5e9), 0).stuck_from == LATEST
    assert standing(journey, Travelled("deciding", -5e9), 0).stuck_from == 1, "0 would say: never"
    assert standing(journey, Travelled("elsewhere", 0.0), 3) == NOWHERE


def test_the_rule_adds_a_modest_term_and_says_so_in_words() -> None:
    x = np.full((2, len(NAMES)), np.nan)
    x[:, COLUMN["silent_days"]], x[:, COLUMN["key_events"]] = 14.0, 0.0
    x[:, COLUMN["backward_moves"]] = 0.0
    x[1, COLUMN["stage_overdue_days"]], x[1, COLUMN["backward_moves"]] = 12.0, 5.0
    effects = RuleScorer().effects(x)[:, FAMILIES.index("journey")]
    assert effects.tolist() == pytest.approx([0.0, 0.4 * np.log(1 + 12 / 7) + 0.4 * 3])
    said = in_words("journey", x[1], raises=True)
    assert said == "stuck in its stage of the journey for 12 days, went back 5 times"
    assert in_words("journey", x[0], raises=False) == "no time is set on its journey"
    x[0, COLUMN["stage_overdue_days"]] = 0.0
    assert in_words("journey", x[0], raises=False) == "on time on its journey"
    x[0, COLUMN["stage_overdue_days"]], x[0, COLUMN["backward_moves"]] = 0.5, 1.0
    assert in_words("journey", x[0], raises=True) == "stuck in its stage of the journey since today, went back once"


HEARD: tuple[dict[str, Any], ...] = (
    *(
        {"type": "custom", "kind": kind}
        for kind in ("viewing_booked", "price_alert_set", "offer_made", "offer_withdrawn")
    ),
    {"type": "payment_failed"},
    {"type": "item_viewed", "item": "x"},
    {"type": "crm_stage_changed", "stage": "Deciding"},
    {"type": "crm_stage_changed", "stage": "client"},
    {"type": "lead_closed", "outcome": "won"},
    {"type": "lead_closed", "outcome": "churned"},
)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, len(HEARD) - 1),
        st.integers(0, 60),
        st.sampled_from([0, 0, 0, 30, 200]),
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
)
"""Whose, what, how many hours after the one before it became known, and how many hours before that it happened; whether it comes twice."""


RULES = policy({**CALM, "journey": JOURNEY, "campaigns": {}, "publish": {"min_change": 0}})


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
@example(steps=[(0, 2, 1, 0, False), (0, 3, 5, 0, True)])
def test_training_sees_journeys_as_the_rules_do(steps: list[tuple[int, int, int, int, bool]]) -> None:
    """To the last digit, also where words come late, twice, or close a lead; and each risk told is the same in any round."""
    log, at = list[LoggedEvent](), START
    for i, (who, what, hours, late, twice) in enumerate(steps):
        at += timedelta(hours=hours)
        body = {"v": 1, "id": f"e{i}", "tenant": "t", "lead": f"L{who}", **HEARD[what]}
        body["at"] = (at - timedelta(hours=late)).isoformat()
        known = round(at.timestamp() * 1000)
        log.append(LoggedEvent(known, f"t:L{who}".encode(), json.dumps(body).encode(), known))
        log += [log[-1]] if twice else []
    inbox = [Message(i, event.at_ms, event.key, event.value) for i, event in enumerate(log)]
    assert sorted(replay({0: inbox}, env(RULES)).outputs) == sorted(replay({0: inbox}, env(RULES), 1).outputs)
    if any(json.loads(event.value)["type"] != "lead_closed" for event in log):
        assert agreement(log, RULES, RuleScorer(), at.timestamp() + 20 * DAY).agree


ALIVE = Label(horizon_days=30, eligible_days=14)
"""Who was heard of lately: of most that are leaving, silence does not tell it yet."""


def stuck_log(leads: int = 400) -> list[LoggedEvent]:
    """Everybody looks around every other day; every six weeks some begin to decide, get stuck, and leave without a word.

    The others negotiate, which may take its time: which of the two it is cannot be told from how much is heard, and when.
    """
    rng, log = np.random.default_rng(3), list[LoggedEvent]()
    for lead in range(leads):
        at, leaves, nth = float(rng.uniform(0, DAYS * 0.7)), 1e9, 0
        turns = at + float(rng.uniform(0, 45))
        while at < min(leaves, DAYS):
            log.append(logged(lead, at, "item_viewed", nth, item="x"))
            if at >= turns:
                stuck, turns = rng.random() < 0.4, at + 45
                stage = "deciding" if stuck else "negotiating"
                leaves = at + 20 + float(rng.exponential(12)) if stuck else leaves
                log.append(logged(lead, at + 0.01, "crm_stage_changed", nth, stage=stage))
            at, nth = at + float(rng.gamma(2, 1)), nth + 1
    return sorted(log, key=lambda event: event.at_ms)


def test_where_stuck_leads_leave_the_model_learns_it_and_its_worth_is_measured() -> None:
    """Made up, as no public log tells of journeys: it shows that training can use them, not what they are worth to anybody."""
    log = stuck_log()
    knows = POLICY.model_copy(update={"journey": Journey.model_validate(JOURNEY)})
    with_it, without = (train(ActivityLog.read(log, rules), ALIVE).manifest.tested for rules in (knows, POLICY))
    assert with_it is not None
    assert without is not None
    assert with_it.importance["journey"] > 0.02
    assert without.importance["journey"] == 0
    assert with_it.model["auc"] > without.model["auc"] + 0.02
