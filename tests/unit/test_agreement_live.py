"""The state of a running system against its inbox: they agree, and what is wrong in one of them is seen."""

import numpy as np
import pytest

from agents.agreement import held_against
from agents.agreement_live import compared
from agents.inbox_log import Received
from agents.lead_state import State
from streams.env import EVERYONE, Env
from streams.features import ROW
from streams.lead import Message, fold
from streams.partition import Partition
from streams.risk import RuleScorer
from tests.planted import DAYS, POLICY, START, planted_log

NOW = START.timestamp() + DAYS * 86_400
EVENTS = planted_log(leads=60)


@pytest.fixture(scope="module")
def state() -> State:
    """As the workers have it."""
    partition = Partition(0)
    messages = [Message(i, event.at_ms, event.key, event.value) for i, event in enumerate(EVENTS)]
    fold(partition, messages, Env({"": {EVERYONE: POLICY}}, {"": RuleScorer()}))
    rows = {key: partition.table.rows[[row]] for key, row in partition.table.index.items()}
    return State(rows, dict.fromkeys(rows, NOW))


def _received(events: list[int]) -> list[Received]:
    return [Received(EVENTS[i].key, EVENTS[i].value, EVENTS[i].at_ms) for i in events]


def test_state_and_inbox_agree_and_what_is_missing_in_one_is_seen(state: State) -> None:
    every = list(range(len(EVENTS)))
    live, read, now = compared(_received(every), POLICY, state)
    assert len(live) == len(state.rows) > 30
    assert held_against(live, read, now, RuleScorer(), 0).agree
    last = max(i for i in every if EVENTS[i].key == EVENTS[-1].key)
    live, read, now = compared(_received([i for i in every if i != last]), POLICY, state)
    assert not held_against(live, read, now, RuleScorer(), 0).agree, "an event that the log lacks"
    rows = {key: row.copy() for key, row in state.rows.items()}
    next(iter(rows.values()))["cents"] += 100.0
    live, read, now = compared(_received(every), POLICY, state._replace(rows=rows))
    found = held_against(live, read, now, RuleScorer(), 0)
    assert (found.agree, found.feature) == (False, "money_total")


def test_leads_whose_beginning_is_gone_from_the_log_are_left_out(state: State) -> None:
    half = list(range(len(EVENTS) // 2, len(EVENTS)))
    live, read, now = compared(_received(half), POLICY, state)
    begun = {EVENTS[i].key for i in half} - {EVENTS[i].key for i in range(len(EVENTS) // 2)}
    assert len(live) == len(begun) > 0
    assert held_against(live, read, now, RuleScorer(), 0).agree
    assert held_against(np.zeros(0, ROW), np.zeros(0, ROW), np.zeros(0), RuleScorer(), 3) == (0, 3, "", 0.0, 0.0)
