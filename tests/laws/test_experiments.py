"""Who gets which variant: shares add up, floors hold, a lead stays with what it was drawn for, and the propensity is true."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import DECISIONS, INTERVENTIONS, OUTCOMES
from streams.env import EVERYONE
from streams.experiments import Experiment
from streams.lead import Message
from streams.replay import replay
from streams.variants import drawn, probabilities
from tests.laws.histories import MODEST, histories
from tests.laws.world import ENV, POLICIES

SHARES = st.dictionaries(st.sampled_from("abcde"), st.integers(0, 5).map(float), min_size=2).filter(
    lambda weights: any(weights.values())
)
CHANCES = st.dictionaries(st.sampled_from("abcde"), st.floats(0, 1), max_size=5)


def _experiment(weights: dict[str, float], *, learn: bool = True) -> Experiment:
    variants = {name: {"template": f"x.{name}", "weight": weight} for name, weight in weights.items()}
    return Experiment.model_validate({"template": "x", "variants": variants, "learn": learn})


@given(weights=SHARES, learned=CHANCES, learns=st.booleans())
def test_shares_add_up_floors_hold_and_what_is_stopped_is_never_drawn(
    weights: dict[str, float], learned: dict[str, float], learns: bool
) -> None:
    experiment = _experiment(weights, learn=learns)
    chances = probabilities(experiment, learned)
    running = {name: weight for name, weight in weights.items() if weight}
    assert chances.keys() == running.keys()
    assert sum(chances.values()) == pytest.approx(1)
    knows = learns and running.keys() <= learned.keys() and sum(learned[name] for name in running) > 0
    if knows:
        assert min(chances.values()) >= experiment.floor - 1e-12
    else:
        assert chances == {name: weight / sum(running.values()) for name, weight in running.items()}


@given(weights=SHARES)
def test_a_lead_is_drawn_alike_each_time_and_as_often_as_is_told(weights: dict[str, float]) -> None:
    chances = probabilities(_experiment(weights), {})
    draws = [drawn("words", chances, "acme", f"L{n}") for n in range(1000)]
    assert draws == [drawn("words", chances, "acme", f"L{n}") for n in range(1000)]
    often = Counter(draw.variant for draw in draws)
    for name, chance in chances.items():
        assert often[name] / 1000 == pytest.approx(chance, abs=0.08), "5 standard deviations"
    assert all(draw.propensity == round(chances[draw.variant], 6) for draw in draws)


def test_another_experiment_is_another_draw() -> None:
    even = {"a": 0.5, "b": 0.5}
    same = sum(
        drawn("one", even, "acme", f"L{n}").variant == drawn("two", even, "acme", f"L{n}").variant for n in range(1000)
    )
    assert 400 < same < 600


@MODEST
@given(log=histories())
def test_a_lead_stays_with_its_variant_and_what_is_told_of_it_agrees(log: list[Message]) -> None:
    """Whatever weights are put in force in between; an erased lead is another one."""
    told = [{"topic": o.topic, **json.loads(o.value or b"")} for o in replay({0: log}, ENV).outputs if not o.headers]
    kept: dict[tuple[str, ...], set[tuple[str, float]]] = defaultdict(set)
    sent: dict[str, Any] = {}
    texts = {
        variant.template: (name, which)
        for name, one in POLICIES[""]["busy"].experiments.items()
        for which, variant in one.variants.items()
    }
    erased = {one["lead"] for one in told if one.get("rule") == "erased"}
    for one in told:
        for draw in one.get("drawn", ()):
            assert draw["variant"] != "old", "it is stopped"
            assert 0.05 <= draw["propensity"] <= 1
            if one["topic"] in {t.name for t in (OUTCOMES,)} and one["lead"] not in erased:
                kept[one["tenant"], one["lead"], draw["experiment"]].add((draw["variant"], draw["propensity"]))
        words = [d for d in one.get("drawn", ()) if d["experiment"] in POLICIES[""]["busy"].experiments]
        if one["topic"] == DECISIONS.name and one["verdict"] == "sent" and words:
            (draw,) = words
            sent[one["intervention"]] = draw
            assert texts[one["template"]] == (draw["experiment"], draw["variant"])
        elif one["topic"] == OUTCOMES.name and one["type"] == "intervention_tracked" and one["intervention"] in sent:
            assert words == [sent[one["intervention"]]]
        elif one["topic"] in {t.name for t in INTERVENTIONS.values()} and one["id"] in sent and "template" in one:
            assert texts[one["template"]][1] == sent[one["id"]]["variant"]
    assert all(len(found) == 1 for found in kept.values())


def test_the_histories_have_what_these_laws_are_about() -> None:
    """Two experiments of one tenant, and weights for it and for everybody."""
    assert len(POLICIES[""]["busy"].experiments) == 2
    assert {tenant for weights in ENV.weights.values() for tenant in weights} == {"busy", EVERYONE}
