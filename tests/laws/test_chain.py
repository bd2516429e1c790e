"""From a command back to its decision, its assessment and the stage: nothing happens unsaid."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any

from hypothesis import given

from schemas.topics import ALL, ASSESSMENTS, DECISIONS, ESCALATIONS, INTERVENTIONS, OUTCOMES, SUPPRESSIONS
from schemas.units import Stage
from streams.env import EVERYONE
from streams.lead import Message
from streams.record import UNANSWERED
from streams.replay import replay
from streams.stage import ORDER
from tests.laws.histories import MODEST, Builder, histories
from tests.laws.world import ENV, LEADS, POLICIES, Versions, rules_of
from tests.worlds import outputs

COMMANDS = {t.name for t in INTERVENTIONS.values()}
Told = list[dict[str, Any]]
STAGES = [str(s) for s in ORDER]
FIRST = "prospect"


@given(log=histories())
def test_nothing_happens_unsaid(log: list[Message]) -> None:
    """The laws below, for all that one history led to."""
    everything = outputs(log, ENV)
    every_command_has_a_decision_and_every_decision_an_assessment(everything)
    a_decision_to_send_has_its_command(everything)
    nothing_goes_out_but_as_the_policy_it_names_says(everything, POLICIES)
    a_stage_never_skips_on_its_way_up_without_saying_so(everything)
    assessments_of_a_lead_count_on(everything)
    interventions_and_episodes_close_once(everything)
    journeys_go_on_from_where_they_were(everything)
    no_campaign_sends_before_it_has_begun(everything)


def test_what_waits_goes_out_as_the_policy_says_that_is_in_force_by_then() -> None:
    """Steps ordered under one policy come due under another one: those that it does not have are held, and said to be."""
    held = 0
    for hour in range(4, 23, 6):
        history = Builder()
        history.now += timedelta(hours=hour)
        for who in range(len(LEADS)):
            history.step("profile", who, who)
            history.step("activity", who, 1)
            for stage in ("active_risk", "early_warning"):
                history.tell(who, {"type": "trigger_intervention", "stage": stage, "by": "kim"})
        history.add({"type": "activate", "partition": 0, "policy": "2"})
        history.wait(72, 6)
        everything = outputs(history.log, ENV)
        nothing_goes_out_but_as_the_policy_it_names_says(everything, POLICIES)
        held += sum(out.get("detail") == "the policy no longer has this step" for out in everything)
    assert held, "no step came due that the new policy does not have: this says nothing"


def every_command_has_a_decision_and_every_decision_an_assessment(everything: Told) -> None:
    """The decision comes before its command and the assessment before the decision; each stands only once."""
    assessed: set[str] = set()
    decided: dict[str, dict[str, Any]] = {}
    commanded: set[tuple[str, str]] = set()
    for out in everything:
        if out["topic"] == ASSESSMENTS.name:
            assert out["id"] not in assessed
            assessed.add(out["id"])
        elif out["topic"] == DECISIONS.name:
            assert out["assessment"] in assessed
            assert out["id"] not in decided
            decided[out["id"]] = out
        elif out["topic"] == ESCALATIONS.name and out["status"] == "open":
            assert out["id"] in {d["escalation"] for d in decided.values() if d["verdict"] == "escalated"}
        elif out["topic"] in COMMANDS:
            assert (out["id"], out["type"]) not in commanded, (
                "a step goes out once in an episode, and is withdrawn once"
            )
            commanded.add((out["id"], out["type"]))
            verdict = "sent" if out["type"] == "deliver_intervention" else "withdrawn"
            assert out["id"] in {d["intervention"] for d in decided.values() if d["verdict"] == verdict}
            if verdict == "sent":
                assert decided[out["decision"]]["intervention"] == out["id"]


def a_decision_to_send_has_its_command(everything: Told) -> None:
    """No decision says sent without a command on the channel it names."""
    sent = {(o["id"], o["topic"]) for o in everything if o["topic"] in COMMANDS and o["type"] == "deliver_intervention"}
    for out in everything:
        if out["topic"] == DECISIONS.name and out["verdict"] == "sent":
            assert (out["intervention"], f"interventions.{out['channel']}") in sent


def nothing_goes_out_but_as_the_policy_it_names_says(everything: Told, policies: Versions) -> None:
    """The step is there, and so are its channel, its action and its text; operators' own actions are their own."""
    for out in everything:
        if out["topic"] not in COMMANDS or out["type"] != "deliver_intervention" or out["step"].startswith("ordered_"):
            continue
        rules = rules_of(policies, out["tenant"], out["policy_version"])
        assert out["channel"] in rules.channels
        if out["step"] == UNANSWERED:
            assert (out["channel"], out["template"]) == ("crm_task", rules.escalation.task_template)
            continue
        programme = rules.campaigns[out["campaign"]] if out["campaign"] else rules.playbooks.of(Stage(out["stage"]))
        (step,) = (s for s in programme.steps if s.name == out["step"])
        assert out["channel"] in (step.channel, *step.fallback)
        assert (out["action"], tuple(out["fallback"])) == (step.action, step.fallback)
        base = step.template.removesuffix(f".{step.channel}")
        written = step.template if base == step.template else f"{base}.{out['channel']}"
        in_its_place = [e.variants.values() for e in rules.experiments.values() if e.template == written]
        assert out["template"] in ({v.template for variants in in_its_place for v in variants} or {written})


def a_stage_never_skips_on_its_way_up_without_saying_so(everything: Told) -> None:
    """Each assessment goes on from the stage of the last one, and names what was jumped over."""
    stage: dict[tuple[str, str], str] = {}
    for out in everything:
        if out["topic"] in {OUTCOMES.name, SUPPRESSIONS.name}:
            continue
        who = (out["tenant"], out["lead"])
        if out["topic"] == ASSESSMENTS.name:
            before, after = STAGES.index(out["previous_stage"]), STAGES.index(out["stage"])
            assert out["skipped"] == STAGES[before + 1 : after]
            last = stage.get(who)
            # A lead that was closed or erased starts again at none.
            assert last is None or out["previous_stage"] in {last, "none"}
            stage[who] = out["stage"]


def assessments_of_a_lead_count_on(everything: Told) -> None:
    """`seq` rises by one, and `change` is the difference to the last one published."""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for out in everything:
        if out["topic"] == ASSESSMENTS.name:
            who, before = (out["tenant"], out["lead"]), last.get((out["tenant"], out["lead"]))
            if out["seq"] > 1:
                assert before is not None
                assert out["seq"] == before["seq"] + 1
                assert abs(out["change"] - (out["probability"] - before["probability"])) < 1e-5
            last[who] = out


@MODEST
@given(log=histories())
def test_probabilities_are_probabilities_and_every_output_fits_its_schema(log: list[Message]) -> None:
    """All probabilities lie in [0, 1]; whatever we write, our own reader of that topic can read."""
    readers = {t.name: t.schema for t in ALL if t.schema is not None}
    for out in replay({0: log}, ENV).outputs:
        if not out.headers:
            told = readers[out.topic].validate_json(out.value or b"")
            for name in ("probability", "confidence", "propensity", "success_score", "peak_probability"):
                assert 0 <= getattr(told, name, 0) <= 1


def interventions_and_episodes_close_once(everything: Told) -> None:
    """Savings and revenue count once: an episode closes once, and a final outcome is not taken back."""
    closed: set[str] = set()
    final: dict[str, str] = {}
    spoken: dict[str, list[str]] = defaultdict(list)
    for out in everything:
        if out["topic"] != OUTCOMES.name:
            continue
        if out["type"] == "episode_closed":
            assert out["id"] not in closed
            closed.add(out["id"])
        elif out["type"] == "intervention_tracked":
            spoken[out["intervention"]].append(out["outcome"])
            if out["intervention"] in final:
                assert out["final"]
                assert final[out["intervention"]] == out["outcome"]
            if out["final"]:
                final[out["intervention"]] = out["outcome"]
    for outcomes in spoken.values():
        if "re_engaged" in outcomes:
            after = outcomes[outcomes.index("re_engaged") :]
            assert set(after) <= {"re_engaged", "converted", "churned"}


def journeys_go_on_from_where_they_were(everything: Told) -> None:
    """Each move leaves the stage that was told last (the first, for who is new or was erased), and names what it passes over."""
    last: dict[tuple[str, str], str] = {}
    ids: set[str] = set()
    for out in everything:
        if out["topic"] != OUTCOMES.name or out["type"] != "journey_progressed":
            continue
        assert out["id"] not in ids
        ids.add(out["id"])
        assert 1 <= out["order"] <= out["of"]
        assert not set(out["milestones"]) & set(out["missing"])
        who, left = (out["tenant"], out["lead"]), out["left"]
        assert (left is not None) == out["change"].startswith("moved")
        begun = left["stage"] if left else out["stage"]
        assert begun in {last.get(who), FIRST}
        if out["change"] == "moved_on":
            names = [s.name for s in POLICIES[""].get(out["tenant"], POLICIES[""][EVERYONE]).journey.stages]
            assert left["skipped"] == names[names.index(begun) + 1 : out["order"] - 1]
        last[who] = out["stage"]


def no_campaign_sends_before_it_has_begun(everything: Told) -> None:
    """What goes out for a campaign was begun for that lead, and said so; it belongs to no episode."""
    begun: set[tuple[str, str, str]] = set()
    for out in everything:
        if out["topic"] == DECISIONS.name and out["verdict"] == "begun":
            begun.add((out["tenant"], out["lead"], out["campaign"]))
        elif out["topic"] in COMMANDS and out["type"] == "deliver_intervention" and out["campaign"]:
            assert (out["tenant"], out["lead"], out["campaign"]) in begun
            assert out["episode"] == 0
