"""Silence is the signal: it never lowers the risk, and what it leads to is never late."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import ASSESSMENTS
from streams.features import DAY, Ints
from streams.lead import Message, Partition, fold
from streams.risk import RuleScorer
from streams.silence import FIRST_LOOK, PRECISION
from streams.stage import felt
from streams.vector import COLUMN, MONOTONE, vectors
from tests.laws.histories import ACTIVITIES, MODEST, histories
from tests.laws.world import ENV
from tests.worlds import START, env, message, policy, trace

LIVES = st.lists(st.tuples(st.integers(0, len(ACTIVITIES) - 1), st.integers(0, 14 * 24)), min_size=1, max_size=15)
"""A lead's life: which activity, how many hours after the one before."""


def _lived(life: Sequence[tuple[int, int]]) -> tuple[Partition, int, float]:
    at, partition = START, Partition(0)
    for i, (kind, hours) in enumerate(life):
        at += timedelta(hours=hours)
        body = {"id": f"e{i}", "tenant": "acme", "lead": "L", "at": at.isoformat(), **ACTIVITIES[kind]}
        fold(partition, [message(i, body, at)], env())
    return partition, len(life), at.timestamp()


@given(life=LIVES)
def test_silence_never_lowers_the_risk(life: list[tuple[int, int]]) -> None:
    """Each feature moves only in the direction that MONOTONE says, and the rule's risk only rises. None is infinite."""
    partition, _, last = _lived(life)
    ages = np.concatenate([np.linspace(0, 3, 40), np.linspace(3, 400, 200)]) * DAY
    x = vectors(np.repeat(partition.table.rows[:1], len(ages)), last + ages)
    assert not np.isinf(x).any()
    p = RuleScorer().score(x)
    assert np.all((p >= 0) & (p <= 1))
    assert float((np.maximum.accumulate(p) - p).max()) <= 0.02
    moves = np.diff(np.nan_to_num(x, nan=-1.0), axis=0)
    direction = np.array(MONOTONE)
    assert np.all(moves[:, direction == 1] >= 0)
    assert np.all(moves[:, direction == -1] <= 0)
    assert np.all(moves[:, direction == 0] == 0)


@MODEST
@given(log=histories())
def test_a_tick_never_publishes_a_lower_risk_for_an_untouched_lead(log: list[Message]) -> None:
    """Between two messages about a lead, what is published about it falls by 0.02 at most."""
    published: dict[tuple[str, str], float] = {}
    for m, outputs in trace(log, ENV):
        is_tick = (m.key or b"").startswith(b"@")
        for out in outputs:
            if out.topic == ASSESSMENTS.name:
                told = json.loads(out.value or b"")
                who = (told["tenant"], told["lead"])
                if is_tick and who in published and told["seq"] != 1:
                    assert told["probability"] >= published[who] - 0.02
                published[who] = told["probability"]


@MODEST
@given(life=LIVES, tick_hours=st.sampled_from([1, 3, 12]))
def test_a_silent_lead_is_never_late(life: list[tuple[int, int]], tick_hours: int) -> None:
    """A stage is entered by ticks alone, at most one look's precision and one tick after the risk reached it."""
    rules = policy({"holdout": {"share": 0.0}})
    partition, offset, last = _lived(life)
    world = env(rules)
    entered: dict[int, float] = {}
    row = partition.table.rows[:1].copy()
    at = START.fromtimestamp(last, START.tzinfo)
    stage = int(row["stage"][0])
    for i in range(40 * 24 // tick_hours):
        at += timedelta(hours=tick_hours)
        fold(
            partition,
            [message(offset + i, {"type": "tick", "id": f"t{i}", "partition": 0, "at": at.isoformat()}, at)],
            world,
        )
        for reached in range(stage + 1, int(partition.table.rows["stage"][0]) + 1):
            entered[reached] = at.timestamp()
        stage = max(stage, int(partition.table.rows["stage"][0]))
    times = last + np.arange(0, 40 * DAY, 600.0)
    x = vectors(np.repeat(row, len(times)), times)
    levels: Ints = (
        felt(RuleScorer().score(x), x[:, COLUMN["silent_days"]], rules.stages.grace_days)[:, None]
        >= np.array(rules.stages.enter)
    ).sum(axis=1)
    slack = max(PRECISION, FIRST_LOOK) + tick_hours * 3600 + 600
    for level in range(int(row["stage"][0]) + 1, 4):
        due = times[levels >= level]
        if len(due) and due[0] + slack < at.timestamp():
            assert entered[level] <= due[0] + slack
            assert entered[level] >= due[0] - 600
