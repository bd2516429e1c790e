"""Who really went quiet: the vectorised rule against the sentence it stands for, lead by lead."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.closed import NOBODY, Closed, Told, closed
from streams.features import DAY
from streams.labels import Label, Moments, churned, eligible

LEADS = 4
NOTHING = Moments(np.zeros(0, np.int64), np.zeros(0))
moments = st.lists(st.tuples(st.integers(0, LEADS - 1), st.integers(0, 40)), max_size=30)


def made(pairs: list[tuple[int, int]]) -> Moments:
    """Days -> seconds, sorted by time."""
    pairs = sorted(pairs, key=lambda p: p[1])
    return Moments(np.array([p[0] for p in pairs], np.int64), np.array([p[1] * DAY for p in pairs]))


def shut(closings: list[tuple[int, int]], life: list[tuple[int, int]]) -> Closed:
    """All known as it happens; of one day the closing first."""
    told = [(day, False, who) for who, day in closings] + [(day, True, who) for who, day in life]
    return closed(Told(who, day * DAY, day * DAY, not alive) for day, alive, who in sorted(told))


@given(moments, moments, st.integers(0, 40), st.integers(0, 5), st.integers(1, 20), st.none() | st.integers(1, 20))
def test_labels_say_what_the_definition_says(
    life: list[tuple[int, int]],
    closings: list[tuple[int, int]],
    t: int,
    gap: int,
    horizon: int,
    window: int | None,
) -> None:
    label = Label(gap_days=gap, horizon_days=horizon, eligible_days=window)
    could = eligible(LEADS, made(life), shut(closings, life), t * DAY, label)
    quiet = churned(LEADS, made(life), made(closings), t * DAY, label)
    ended = churned(LEADS, made(life), made(closings), t * DAY, label.model_copy(update={"churn": "closed"}))
    for lead in range(LEADS):
        before = [day for who, day in life if who == lead and day < t]
        after = [day for who, day in life if who == lead and t + gap <= day < t + gap + horizon]
        ends = [day for who, day in closings if who == lead and day < t]
        is_open = not ends or (bool(before) and max(before) >= max(ends))
        recent = bool(before) and (window is None or max(before) >= t - window)
        assert could[lead] == (recent and is_open)
        assert quiet[lead] == (not after)
        assert ended[lead] == any(who == lead and t + gap <= day < t + gap + horizon for who, day in closings)


def test_an_event_at_the_snapshot_itself_is_future() -> None:
    """Features may not see it, so the label must: with a gap of 0 nothing falls between the two."""
    at_t = made([(0, 10)])
    assert not eligible(1, at_t, NOBODY, 10 * DAY, Label()).any()
    assert not churned(1, at_t, NOTHING, 10 * DAY, Label(horizon_days=5)).any()


def test_a_purchase_in_the_gap_saves_nobody() -> None:
    assert churned(1, made([(0, 1), (0, 11)]), NOTHING, 10 * DAY, Label(gap_days=3, horizon_days=5)).all()


@pytest.mark.parametrize("wrong", [{"horizon_days": 0}, {"gap_days": -1}, {"eligible_days": 0}, {"churn": "perhaps"}])
def test_a_definition_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Label.model_validate(wrong)


@given(
    moments, st.lists(st.integers(0, 20), min_size=1, max_size=3, unique=True), st.sampled_from([0.5, 1.0, 2.0, 7.0])
)
def test_each_lead_is_tested_once_at_each_age(life: list[tuple[int, int]], ages: list[int], every: float) -> None:
    label = Label(ages_days=tuple(ages), every_days=every)
    looks = np.arange(0.0, 80.0, every)
    seen = np.sum([eligible(LEADS, made(life), NOBODY, t * DAY, label) for t in looks], axis=0)
    for lead in range(LEADS):
        first = min((day for who, day in life if who == lead), default=None)
        due = [
            t for t in looks if first is not None and t > first and any(0 <= t - first - age < every for age in ages)
        ]
        assert seen[lead] == len(due)
        assert len(due) <= len(ages)
    assert label.at_any_age == Label(every_days=every)
