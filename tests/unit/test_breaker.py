"""When the dead-letter breaker trips, and when it must not."""

from __future__ import annotations

import random

import pytest

from streams.breaker import DlqBreaker


def test_fifty_in_a_row_trip_it_at_the_fiftieth() -> None:
    breaker = DlqBreaker()
    assert [breaker.add(rejected=True) for _ in range(50)] == [False] * 49 + [True]


def test_one_good_record_starts_the_row_anew() -> None:
    breaker = DlqBreaker()
    for _ in range(3):
        assert not any(breaker.add(rejected=True) for _ in range(49))
        assert not breaker.add(rejected=False)


def test_the_share_counts_only_over_a_full_window() -> None:
    breaker = DlqBreaker(window=100, share=0.05, run=50)
    assert not any(breaker.add(rejected=number % 2 == 0) for number in range(99))
    assert breaker.add(rejected=False)


@pytest.mark.parametrize(("rejected", "trips"), [(50, False), (51, True)])
def test_five_percent_are_tolerated_and_not_one_more(rejected: int, trips: bool) -> None:
    breaker = DlqBreaker()
    spread = [number % (1000 // rejected) == 0 and number // (1000 // rejected) < rejected for number in range(1000)]
    assert sum(spread) == rejected
    for record in spread:
        breaker.add(record)
    assert breaker.tripped is trips


def test_old_rejections_leave_the_window() -> None:
    breaker = DlqBreaker(window=100, share=0.05, run=50)
    for number in range(1_000):
        assert not breaker.add(rejected=number % 20 == 0)


def test_it_stays_tripped() -> None:
    breaker = DlqBreaker(run=2)
    breaker.add(rejected=True)
    breaker.add(rejected=True)
    assert all(breaker.add(rejected=False) for _ in range(3_000))


@pytest.mark.parametrize("wrong", [{"window": 0}, {"run": 0}, {"share": 1.1}])
def test_nonsense_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DlqBreaker(**wrong)  # type: ignore[arg-type]  # that is the point


def test_many_at_once_are_counted_like_one_by_one() -> None:
    """Whatever the pieces, and whether anything in them was rejected."""
    for seed in range(20):
        chance = random.Random(seed)
        share = chance.choice([0.0, 0.02, 0.06, 0.5])
        records = [chance.random() < share for _ in range(400)]
        one, many = DlqBreaker(window=100, run=9), DlqBreaker(window=100, run=9)
        at = 0
        while at < len(records):
            size = chance.randint(1, 60)
            piece = records[at : at + size]
            assert many.add_all(piece) is [one.add(record) for record in piece][-1]
            at += size
