"""Delays grow, differ, repeat exactly, and end."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.units import Channel
from streams.retry import RETRY_RULES, RetryRule, delay, jitter, next_attempt

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
RULE = RetryRule(attempts=6, first=timedelta(seconds=10), cap=timedelta(seconds=60))

ids = st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True)
waits = st.one_of(st.none(), st.timedeltas(timedelta(0), timedelta(days=3)))


def test_every_channel_has_a_rule() -> None:
    assert set(RETRY_RULES) == set(Channel)


@pytest.mark.parametrize(("attempt", "longest"), [(1, 10), (2, 20), (3, 40), (4, 60), (5, 60), (1000, 60)])
def test_delays_double_up_to_the_cap(attempt: int, longest: int) -> None:
    waited = delay(RULE, "iv-1", attempt).total_seconds()
    assert longest / 2 <= waited < longest


def test_commands_that_failed_together_come_back_apart() -> None:
    planned = sorted(delay(RULE, f"iv-{n}", 4).total_seconds() for n in range(100))
    assert planned[-1] - planned[0] > 20
    assert len(set(planned)) == 100


def test_the_last_attempt_has_no_next() -> None:
    assert next_attempt("iv-1", RULE.attempts - 1, NOW, LATER, RULE) is not None
    assert next_attempt("iv-1", RULE.attempts, NOW, LATER, RULE) is None


def test_a_deadline_ends_it() -> None:
    at = next_attempt("iv-1", 1, NOW, LATER, RULE)
    assert at is not None
    assert next_attempt("iv-1", 1, NOW, at, RULE) is None
    assert next_attempt("iv-1", 1, NOW, at + timedelta(microseconds=1), RULE) == at


def test_the_providers_wish_may_exceed_the_cap() -> None:
    hour = timedelta(hours=1)
    assert next_attempt("iv-1", 1, NOW, LATER, RULE, hour) == NOW + hour


def test_an_attempt_before_the_first_is_a_bug() -> None:
    with pytest.raises(ValueError, match="attempt=0"):
        next_attempt("iv-1", 0, NOW, LATER, RULE)


@given(ids, st.integers(1, 12), waits, st.timedeltas(timedelta(0), timedelta(days=2)))
def test_laws(intervention: str, attempt: int, asked: timedelta | None, left: timedelta) -> None:
    at = next_attempt(intervention, attempt, NOW, NOW + left, RULE, asked)
    assert at == next_attempt(intervention, attempt, NOW, NOW + left, RULE, asked)
    if at is not None:
        assert NOW < at < NOW + left
        assert asked is None or at >= NOW + asked
        assert attempt < RULE.attempts


@given(ids, st.integers(1, 50))
def test_jitter_stays_in_its_range(intervention: str, attempt: int) -> None:
    assert 0.5 <= jitter(intervention, attempt) < 1
