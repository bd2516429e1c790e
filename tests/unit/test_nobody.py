"""Where there is nobody to judge (in a partition, at a look, among the rows that changed), that is an answer, not an error."""

import numpy as np
import pytest

from agents.held import held_in
from agents.shadow import Followed
from agents.snapshots import ActivityLog
from agents.train import train
from streams.features import DAY, ROW
from streams.labels import Label
from streams.lead import fold
from streams.partition import Partition
from streams.risk import RuleScorer
from streams.vector import NAMES, vectors
from tests.planted import POLICY, START, planted_log
from tests.worlds import START as NOW
from tests.worlds import env, message

SHORT = Label(horizon_days=15, eligible_days=10)
CLOSED_FROM, CLOSED_UNTIL = 60, 90
"""Days on which the shop was shut: after a week and a half nobody is alive by the label."""


def with_one_lead(number: int) -> Partition:
    """A partition with one lead, of whom one thing was heard."""
    body = {
        "type": "purchase_completed",
        "amount_cents": 100,
        "id": "e",
        "tenant": "acme",
        "lead": "L1",
        "at": NOW.isoformat(),
    }
    partition = Partition(number)
    fold(partition, [message(0, body, NOW)], env())
    return partition


def test_features_of_nobody_are_no_rows() -> None:
    assert vectors(np.zeros(0, ROW), np.zeros(0)).shape == (0, len(NAMES))


def test_a_partition_in_which_nobody_is_alive_does_not_hide_the_others() -> None:
    empty, fading, live = Partition(0), with_one_lead(1), with_one_lead(2)
    fading.state.now += 30 * DAY
    now = held_in([empty, fading, live], SHORT)
    assert now.x.shape == (1, len(NAMES))
    assert len(now.published) == 1
    assert held_in([empty, fading], SHORT).x.shape == (0, len(NAMES))


def test_a_shadow_has_nothing_to_say_of_nobody() -> None:
    assert Followed(0, RuleScorer()).score(np.zeros(0, np.int64)) == []


@pytest.fixture(scope="module")
def gap() -> ActivityLog:
    """The planted log without a month in its training."""
    days = ((event, (event.at_ms / 1000 - START.timestamp()) / DAY) for event in planted_log())
    return ActivityLog.read([event for event, day in days if not CLOSED_FROM <= day < CLOSED_UNTIL], POLICY)


def test_a_look_at_which_nobody_is_alive_is_left_out_of_training(gap: ActivityLog) -> None:
    shut = START.timestamp() + (CLOSED_UNTIL - 1) * DAY
    (shot,) = gap.snapshots([shut], SHORT)
    assert shot.x.shape == (0, len(NAMES))
    made = train(gap, SHORT).manifest.trained.train
    assert made.first.timestamp() < shut < made.last.timestamp()
    assert made.rows > 0
