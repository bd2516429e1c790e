"""Which version judges in place of one that may not."""

import pytest

from streams.fallback import fall_back_to
from streams.grade import Verdict

BAD: Verdict = "fall back"


@pytest.mark.parametrize(
    ("verdicts", "where"),
    [
        ({}, None),
        ({"m-2": "keep"}, None),
        ({"m-2": "too early", "m-1": BAD}, None),
        ({"m-2": BAD}, "m-1"),
        ({"m-2": BAD, "m-1": "keep"}, "m-1"),
        ({"m-2": BAD, "m-1": BAD}, "rule-2"),
        ({"m-2": BAD, "m-1": BAD, "rule-2": BAD}, None),
    ],
)
def test_to_the_newest_before_that_did_not_have_to_go_itself(verdicts: dict[str, Verdict], where: str | None) -> None:
    assert fall_back_to("m-2", ["rule-2", "m-1"], verdicts) == where


def test_the_rule_scorer_has_nothing_before_it() -> None:
    assert fall_back_to("rule-2", [], {"rule-2": BAD}) is None
