"""What programmes and offers change: like is compared with like, whoever was sent something in the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from agents.cli.learn import effects_in_words
from agents.habits import Habits
from agents.learned import Learned, Log, announcement, learn
from schemas.decisions import Decided
from schemas.journeys import JourneyProgressed
from schemas.outcomes import EpisodeClosed
from schemas.weights import Passed
from streams.bandit import shown
from streams.effects import Comings, came, effects, ended
from streams.env import EVERYONE
from streams.holdout import held_out
from tests.unit.lives import Life
from tests.unit.test_bandit import NOW, tracked_row
from tests.worlds import policy

RULES = policy(
    {
        "offers": {"ten": {"words": "10 % off", "stages": ["critical_risk"], "cost_cents": 100}},
        "holdout": {"share": 0.3},
    }
)
ALL = [f"L{i}" for i in range(4000)]
OUT = [lead for lead in ALL if held_out(RULES.holdout, "acme", lead)]
IN = [lead for lead in ALL if lead not in set(OUT)]


class Told:
    """What was decided about leads, and how their episodes ended: 40 days ago, within the time for credit or not at all."""

    def __init__(self) -> None:
        self.decided: list[Decided] = []
        self.closed: list[EpisodeClosed] = []
        self.sent = [tracked_row("somebody", 15, outcome="pending_response", final=False)]

    def came(
        self,
        lead: str,
        variant: str = "ten",
        *,
        kept: bool,
        rule: str,
        after: float = 3,
        days_ago: float = 40,
        **fields: Any,
    ) -> None:
        at, name = NOW - timedelta(days=days_ago), f"{lead}-{len(self.decided)}"
        verdict = {"playbook": "sent", "campaign": "sent", "holdout": "held", "recovered": "held"}.get(rule, "deferred")
        body = {
            "id": f"d-{name}", "tenant": "acme", "lead": lead, "at": at, "verdict": verdict, "rule": rule, "detail": "so",
            "intervention": f"i-{lead}", "assessment": "a", "episode": 1, "stage": "critical_risk", "step": "gift",
            "channel": "email", "arm": "holdout" if rule == "holdout" else "treated", "propensity": 0.9, "probability": 0.8,
            "policy_version": "1", "model_version": "m",
            "drawn": [{"experiment": "offer_critical_risk", "variant": variant, "propensity": 0.5}],
        }  # fmt: skip
        self.decided.append(Decided.model_validate(body | fields))
        end = {
            "id": f"e-{name}", "tenant": "acme", "lead": lead, "at": at + timedelta(days=after), "episode": 1,
            "opened_at": at - timedelta(days=1), "peak_stage": "critical_risk", "peak_probability": 0.9,
            "outcome": "re_engaged" if kept else "churned", "arm": "treated", "interventions": 1, "cost_cents": 0,
            "value_cents": 0, "policy_version": "1",
        }  # fmt: skip
        self.closed.append(EpisodeClosed.model_validate(end))

    @property
    def log(self) -> Log:
        return Log(self.sent, self.closed, self.decided)

    def learned(self) -> Learned:
        found = learn(self.log, Habits([], {EVERYONE: RULES}, NOW), {EVERYONE: RULES})
        assert found is not None
        return found


def test_who_was_picked_for_an_offer_does_not_make_it_look_good() -> None:
    """A person agrees only where the lead would stay anyway; the offer changes nothing, and that is what is told."""
    told = Told()
    for i, lead in enumerate(IN[:1000]):
        told.came(lead, kept=i % 10 < 4, rule="approval")
        if i % 10 < 5:
            told.came(lead, kept=i % 10 < 4, rule="playbook", days_ago=39)
    for i, lead in enumerate(OUT[:1000]):
        told.came(lead, kept=i % 10 < 4, rule="holdout")
    seen = told.learned().tenants["acme"].experiments["offer_critical_risk"]
    assert (seen.arms["ten"].leads, seen.held.leads) == (1000, 1000)
    assert seen.gain("ten").difference == 0.0
    assert not seen.gain("ten").sure
    only_sent = [d for d in told.decided if d.verdict == "sent"] + [d for d in told.decided if d.arm == "holdout"]
    biased = learn(Log(told.sent, told.closed, only_sent), Habits([], {EVERYONE: RULES}, NOW), {EVERYONE: RULES})
    assert biased is not None
    assert biased.tenants["acme"].experiments["offer_critical_risk"].gain("ten").difference > 0.39


def test_who_never_came_to_the_step_or_whose_time_is_not_over_is_on_neither_side() -> None:
    told = Told()
    told.came("a", kept=True, rule="recovered")
    told.came("b", kept=True, rule="playbook", days_ago=13)
    told.came("c", kept=True, rule="playbook", after=15)  # too late to be its doing
    told.came("d", kept=True, rule="playbook", step="ordered_1")
    told.came("e", kept=True, rule="playbook", after=-1)  # an episode of an earlier life
    rows = came(told.decided, lambda _: RULES)["acme", "critical_risk"]
    assert [row.lead for row in rows] == ["c", "e", "b"]
    assert came(told.decided[::-1] + told.decided, lambda _: RULES)["acme", "critical_risk"] == rows
    comings = Comings()
    for one in [*told.decided, *told.decided[::-1]]:
        comings.take(one.model_copy(update={"id": one.id + "-later", "at": one.at + timedelta(hours=1)}))
        comings.take(one)
    assert came(comings.decided(), lambda _: RULES)["acme", "critical_risk"] == rows
    assert len(comings.decided()) == 3
    seen = told.learned().tenants["acme"].experiments["offer_critical_risk"]
    assert (seen.arms["ten"].leads, seen.arms["ten"].rate) == (2, 0.0)


def test_each_programme_is_held_against_who_is_held_out_of_it_and_of_everything() -> None:
    told = Told()
    for i, lead in enumerate(IN[:1500]):
        if i < 1000:
            told.came(lead, kept=i % 10 < 6, rule="playbook")
        else:
            told.came(lead, kept=i % 10 < 3, rule="holdout")
    for i, lead in enumerate(OUT[:15]):
        told.came(lead, kept=i % 10 < 2, rule="holdout")
    against = told.learned().tenants["acme"].programmes["critical_risk"]
    assert {arm: seen.held.leads for arm, seen in against.items()} == {
        "held out of it": 500,
        "held out of everything": 15,
    }
    lines = effects_in_words(against, 14)
    assert lines[2].startswith("treated                   1,000     60.0%")
    assert lines[-2].startswith("against held out of it: +30.0 points, +/- ")
    assert lines[-1] == "against held out of everything: not enough data (15 leads of 20)"
    assert all(len(line) <= 80 for line in lines)


def test_a_campaign_is_judged_by_what_was_tracked_of_its_messages() -> None:
    told = Told()
    of: dict[str, Any] = {"episode": 0, "campaign": "yearly", "drawn": []}
    for i, (lead, rule) in enumerate(
        [*((lead, "campaign") for lead in IN[:40]), *((lead, "holdout") for lead in OUT[:30])]
    ):
        told.came(lead, kept=False, rule=rule, **of)
        arm, outcome = ("treated", "holdout")[rule == "holdout"], ("ignored", "converted")[i % 2]
        told.sent.append(
            tracked_row(lead, 40, intervention=f"i-{lead}", arm=arm, outcome=outcome, campaign="yearly", drawn=[])
        )
    told.came(IN[50], kept=True, rule="cap_total", **of)
    rows = came(told.decided, lambda _: RULES)["acme", "campaign.yearly"]
    (seen,) = effects(rows, "acme", ended(told.closed, told.sent), 14, NOW).values()
    assert (seen.arms["treated"].leads, seen.held.leads) == (40, 30), "who never got one is left out"
    assert (seen.arms["treated"].rate, seen.held.rate) == (0.5, 0.5)
    assert shown(["treated"], []).arms["treated"].leads == 0


def test_who_gets_through_a_stage_of_the_journey_is_learned_and_told_with_it() -> None:
    """Of 30 leads that settled in the first stage 20 moved on; that is told of the next one there. Of the second none settled."""
    stages = [{"name": "looking", "done_on": ["item_saved"], "milestones": ["survey_answered"]}, {"name": "client"}]
    changes: dict[str, Any] = {"journey": {"stages": stages}, "campaigns": {}}
    moved = {
        "tenant": "acme", "at": NOW, "cause": "item_saved", "journey": policy(changes).name, "of": 2, "entered_at": NOW,
        "expected_exit_at": None, "completion": 0, "policy_version": "1",
    }  # fmt: skip
    travelled = []
    for i in range(30):
        on: dict[str, Any] = {"change": "moved_on", "stage": "client", "order": 2}
        on["left"] = {"stage": "looking", "entered_at": NOW - timedelta(days=9), "expected_exit_at": None, "days": 9}
        stuck = {"change": "stalled", "stage": "looking", "order": 1, "stalled": True}
        travelled.append(
            JourneyProgressed.model_validate({**moved, "id": f"j{i}", "lead": f"L{i}", **(on if i < 20 else stuck)})
        )
    rules = policy(changes)
    learned = learn(Log([], travelled=travelled), Habits([], {EVERYONE: rules}, NOW), {EVERYONE: rules})
    assert learned is not None
    weights = announcement(learned).weights
    assert weights["acme"].journey == {"looking": Passed(settled=30, through=20)}
    life = Life(changes)
    life.world = replace(life.world, weights={"": weights})
    life.tell(1, "survey_answered", score=0.9)
    life.tell(2, "item_saved", item="x")
    told = [t for t in life.told if t["type"] == "journey_progressed"]
    assert [
        (t["stage"], t["success"] and (t["success"]["settled"], round(t["success"]["share"], 3))) for t in told
    ] == [
        ("looking", (30, 0.667)),
        ("client", None),
    ]
