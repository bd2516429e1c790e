"""How right the best hour and channel were: by what was known before each message, and only with messages enough."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.outcomes import InterventionTracked
from streams.accuracy import Accuracy, Held, Share, accuracy, in_words
from tests.unit.test_bandit import NOW, tracked_row


def _row(lead: str, days_ago: float, channel: str, *, answered: bool = False, **fields: Any) -> InterventionTracked:
    at = NOW - timedelta(days=days_ago)
    told = {"channel": channel, "status": "clicked" if answered else "delivered", "at": at + timedelta(hours=20)}
    return tracked_row(lead, days_ago, **(told | fields))


def _before(lead: str) -> list[InterventionTracked]:
    """By the in-app list it answers, by mail it does not."""
    mail = [_row(lead, 20 - n, "email") for n in range(3)]
    return mail + [_row(lead, 16.5 - n, "in_app", answered=True) for n in range(3)]


def _utc(at: float) -> int:
    return int(at // 3600) % 24


def test_a_channel_is_judged_by_what_was_known_before() -> None:
    rows = _before("L1")
    assert accuracy(rows, {}, {}) == Accuracy(0, Held(), Held()), "nothing was told before the sixth message"
    later = [_row("L1", 3, "in_app", answered=True), _row("L1", 2, "email")]
    assert accuracy([*rows, *later], {}, {}).channel == Held(Share(1, 1), Share(1, 0))
    unknown = [row.model_copy(update={"at": NOW}) for row in rows]  # what became of them was known only later
    assert accuracy([*unknown, *later], {}, {}).channel == Held()
    ghosts = [row.model_copy(update={"arm": "holdout"}) for row in later]
    bounced = [row.model_copy(update={"status": "bounced"}) for row in later]
    assert accuracy([*rows, *ghosts, *bounced], {}, {}).channel == Held()


def test_an_hour_is_judged_on_the_leads_own_clock_by_its_activity_before() -> None:
    noon = [(NOW - timedelta(days=n, hours=-12)).timestamp() for n in range(2, 42)]
    at_twelve = _row("L1", 0.5, "email", answered=True)  # 12:00
    at_six = _row("L1", 0.25, "email")  # 18:00
    told = accuracy([at_twelve, at_six], {"L1": noon}, {"L1": _utc})
    assert (told.leads, told.hour) == (1, Held(Share(1, 1), Share(1, 0)))
    assert accuracy([at_twelve, at_six], {"L1": noon[1:]}, {"L1": _utc}).hour == Held(), "39 signs of life are too few"
    after = [at + 60 * 86400 for at in noon]
    assert accuracy([at_twelve, at_six], {"L1": after}, {"L1": _utc}).hour == Held(), "what came later told nothing"


@given(
    st.permutations([*_before("L1"), *_before("L2"), _row("L1", 1, "email"), _row("L2", 1, "in_app", answered=True)])
)
def test_the_order_of_the_rows_does_not_matter_nor_do_repeats(rows: list[InterventionTracked]) -> None:
    found = accuracy([*rows, *rows], {}, {})
    assert found == Accuracy(2, Held(), Held(Share(1, 1), Share(1, 0)))


def test_it_is_told_with_its_numbers_or_said_to_be_unknown() -> None:
    found = Accuracy(40, Held(Share(40, 12), Share(2100, 200)), Held(Share(19, 9), Share(500, 3)))
    lines = in_words(found, "acme")
    assert lines[1] == "  by hour      30% of 40 (18% - 46%) as told, 10% of 2100 (8% - 11%) others"
    assert lines[2] == "  by channel   not enough data (19 as told, 500 others; 20 of each)"
    assert all(len(line) <= 80 for line in lines)
    assert "(0 as told, 0 others; 20 of each)" in in_words(Accuracy(0, Held(), Held()), "acme")[1]
