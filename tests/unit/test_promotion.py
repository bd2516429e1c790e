"""When a challenger takes over: each ground of refusal by itself, and what chance alone may not do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.features import Floats, Ints
from streams.promotion import FREE_US, MOST_SLOWDOWN, Held, Judged, Verdict, compare
from streams.risk import sigmoid

THRESHOLDS = (0.3, 0.6, 0.8)
LEADS, SHOTS = 400, 6


def world(seed: int = 1) -> tuple[Floats, Floats, Ints]:
    """Log-odds of the truth, what came of it, and whose rows they are; a lead's rows share most of their luck."""
    rng = np.random.default_rng(seed)
    leads = np.repeat(np.arange(LEADS), SHOTS)
    z = np.repeat(rng.normal(-0.5, 1.5, LEADS), SHOTS) + rng.normal(0, 0.3, LEADS * SHOTS)
    y = (np.repeat(rng.random(LEADS), SHOTS) < sigmoid(z)).astype(float)
    return z, y, leads


def said(z: Floats) -> Judged:
    """A model that believes these log-odds."""
    p = sigmoid(z)
    return Judged(p, p)


def held(champion: Judged, challenger: Judged, *, seed: int = 5, volumes_may_move: bool = False) -> Verdict:
    _, y, leads = world()
    chance = np.random.default_rng(seed)
    return compare(champion, challenger, y, leads, THRESHOLDS, chance, volumes_may_move=volumes_may_move)


def test_who_knows_more_takes_over() -> None:
    z, *_ = world()
    noise = np.random.default_rng(2).normal(0, 1.2, len(z))
    verdict = held(said(z + noise), said(z), volumes_may_move=True)
    assert verdict.promote, verdict.refusals
    low, mean, high = verdict.difference
    assert low < mean < high < 0
    assert mean == pytest.approx(verdict.log_loss.challenger - verdict.log_loss.champion)
    assert (verdict.rows, verdict.leads) == (LEADS * SHOTS, LEADS)


def test_the_worse_one_and_the_same_one_do_not() -> None:
    z, *_ = world()
    noise = np.random.default_rng(2).normal(0, 1.2, len(z))
    worse = held(said(z), said(z + noise), volumes_may_move=True)
    assert any("not surely better" in why for why in worse.refusals)
    assert any("ranks worse" in why for why in worse.refusals)
    same = held(said(z), said(z))
    assert [why.split(":")[0] for why in same.refusals] == ["not surely better"]


def test_volumes_move_only_when_that_is_meant() -> None:
    z, *_ = world()
    timid = said(0.4 * z - 1.2)
    unasked = held(timid, said(z))
    assert all(why.startswith("moves the volume of") for why in unasked.refusals)
    assert any("active_risk" in why for why in unasked.refusals)
    assert held(timid, said(z), volumes_may_move=True).promote


def test_a_better_order_does_not_excuse_wrong_probabilities() -> None:
    z, *_ = world()
    noise = np.random.default_rng(2).normal(0, 3, len(z))
    champion = Judged(np.full(len(z), world()[1].mean()), sigmoid(z + noise))
    shifted = held(champion, Judged(sigmoid(z + 0.7), sigmoid(z)), volumes_may_move=True)
    assert [why.split(":")[0] for why in shifted.refusals] == ["worse calibrated"]


def test_who_may_have_seen_the_answer_does_not_take_over() -> None:
    z, y, leads = world()
    noise = np.random.default_rng(2).normal(0, 1.2, len(z))
    chance = np.random.default_rng(5)
    verdict = compare(
        said(z + noise), said(z), y, leads, THRESHOLDS, chance, volumes_may_move=True, flags=("too good alone",)
    )
    assert verdict.refusals == ("it may have seen the answer: too good alone",)


@pytest.mark.parametrize(
    ("pace", "refused"),
    [
        (None, False),
        (Held(20.0, 20.0 * MOST_SLOWDOWN), False),
        (Held(20.0, 20.0 * MOST_SLOWDOWN + 0.1), True),
        (Held(0.1, FREE_US), False),
        (Held(0.1, FREE_US + 0.1), True),
        (Held(30.0, 3.0), False),
    ],
)
def test_who_takes_too_long_does_not_take_over(pace: Held | None, refused: bool) -> None:
    """Against a model twice its time is let pass, against the rule what a row may cost anyway."""
    z, y, leads = world()
    noise = np.random.default_rng(2).normal(0, 1.2, len(z))
    chance = np.random.default_rng(5)
    verdict = compare(said(z + noise), said(z), y, leads, THRESHOLDS, chance, volumes_may_move=True, pace=pace)
    assert [why.split(":")[0] for why in verdict.refusals] == (["slower"] if refused else [])
    assert verdict.pace == pace


def test_few_leads_say_nothing_yet() -> None:
    z, y, leads = world()
    few = leads < 50
    p = said(z[few])
    verdict = compare(p, p, y[few], leads[few], THRESHOLDS, np.random.default_rng(1))
    assert "not known yet: 50 leads" in verdict.refusals[0]
    nobody = compare(p, p, np.zeros(few.sum()), leads[few], THRESHOLDS, np.random.default_rng(1))
    assert not nobody.promote
    assert np.isnan(nobody.average_precision.champion)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_chance_alone_promotes_nobody(seed: int) -> None:
    """Two models that are wrong in different ways by as much: whichever is called challenger, it does not take over."""
    z, *_ = world()
    rng = np.random.default_rng(seed)
    shape = (2, LEADS)
    one, other = (np.repeat(noise, SHOTS) for noise in rng.normal(0, 0.5, shape))
    there, back = held(said(z + one), said(z + other)), held(said(z + other), said(z + one))
    assert not (there.promote and back.promote)
    assert there.difference[1] == pytest.approx(-back.difference[1])


def test_the_same_seed_gives_the_same_verdict() -> None:
    z, *_ = world()
    assert held(said(z + 0.2), said(z)) == held(said(z + 0.2), said(z))
    assert held(said(z + 0.2), said(z), seed=6).difference != held(said(z + 0.2), said(z)).difference


def test_leads_not_rows_are_drawn() -> None:
    """A lead's rows tell the same story: counting them one by one would make chance look certain."""
    z, y, leads = world()
    noise = np.repeat(np.random.default_rng(3).normal(0, 0.5, LEADS), SHOTS)
    by_lead = compare(said(z + noise), said(z), y, leads, THRESHOLDS, np.random.default_rng(1))
    by_row = compare(said(z + noise), said(z), y, np.arange(len(y)), THRESHOLDS, np.random.default_rng(1))
    width = [v.difference[2] - v.difference[0] for v in (by_lead, by_row)]
    assert width[0] > 1.2 * width[1]
