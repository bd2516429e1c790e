"""The pieces of the feature table, and the rule scorer on it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.features import Batch, FeatureTable, fold_wave, waves
from streams.lead import Partition, fold
from streams.outbox import instant
from streams.risk import RuleScorer, sigmoid
from streams.vector import COLUMN, FAMILY_OF, MONOTONE, NAMES
from streams.vocabulary import Family
from tests.worlds import START, env, message


def test_rows_of_forgotten_leads_are_used_again_and_clean() -> None:
    """Memory follows the number of leads, also past the first capacity."""
    table = FeatureTable(capacity=2)
    rows = [table.row_of(f"acme:L{i}".encode()) for i in range(5)]
    assert rows == [0, 1, 2, 3, 4]
    table.rows["events"][3] = 8
    table.forget(b"acme:L3")
    assert table.row_of(b"acme:new") == 3
    assert (int(table.rows["events"][3]), int(table.rows["guard"][3])) == (0, -1)
    assert len(table) == 5
    assert table.due[3] == np.inf


@given(
    st.lists(
        st.tuples(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40))),
        max_size=8,
    )
)
def test_rows_given_to_many_leads_at_once_are_those_given_one_by_one(steps: list[tuple[set[int], set[int]]]) -> None:
    """Leads come and are forgotten, in a table that has to grow again and again."""
    many, single = FeatureTable(capacity=1), FeatureTable(capacity=1)
    for come, go in steps:
        keys = [b"t:%d" % n for n in sorted(come)]
        rows = many.rows_of(keys)
        assert len(set(rows.tolist())) == len(keys)
        for key in keys:
            single.row_of(key)
        for key in [b"t:%d" % n for n in go if b"t:%d" % n in many.index]:
            many.rows["events"][many.index[key]] = 7
            many.forget(key)
            single.forget(key)
        assert len(many) == len(single)
        assert all(many.keys[row] == key for key, row in many.index.items())
        assert all(many.rows["guard"][row] == -1 and not many.rows["events"][row] for row in many.index.values())
        assert len(many.keys) == len(single.keys)


def test_waves_keep_each_leads_order() -> None:
    """No lead twice in a wave; all positions once; a lead's positions rise."""
    rows = np.array([3, 1, 3, 3, 2, 1])
    found = waves(rows)
    assert [sorted(w.tolist()) for w in found] == [[0, 1, 4], [2, 5], [3]]
    assert waves(np.zeros(0, np.int64)) == []


def test_counters_fade_by_their_half_lives_and_a_duplicate_adds_nothing() -> None:
    """After one, seven and thirty days a counter of that half-life stands at one half."""
    table = FeatureTable()
    row = table.row_of(b"acme:L1")
    day = 86_400.0
    for at, mark in ((0.0, 1), (0.0, 1), (7 * day, 2)):
        batch = Batch([row], [1e9 + at], [Family.INTENT], [True], [0], [float("nan")], [mark], [True])
        fold_wave(table, batch, np.array([0]))
    assert table.rows["counts"][row, Family.INTENT] == pytest.approx([1 + 2**-7, 1.5, 1 + 2 ** (-7 / 30)], rel=1e-6)
    assert int(table.rows["events"][row]) == 2
    assert int(table.rows["ring_at"][row]) == 2


def test_what_does_not_count_leaves_only_its_mark() -> None:
    """Receipts and orders take part in recognising duplicates, and in nothing else."""
    table = FeatureTable()
    row = table.row_of(b"acme:L1")
    before = table.rows[row].copy()
    batch = Batch([row], [1e9], [0], [False], [0], [float("nan")], [77], [False])
    assert fold_wave(table, batch, np.array([0]))[1].tolist() == [True]
    assert fold_wave(table, batch, np.array([0]))[1].tolist() == [False]
    after = table.rows[row].copy()
    assert (int(after["ring"][0]), int(after["ring_at"])) == (77, 1)
    after["ring"], after["ring_at"] = before["ring"], before["ring_at"]
    assert after.tobytes() == before.tobytes()


def test_every_feature_has_a_family_and_a_direction() -> None:
    """So that it can be told, and constrained."""
    assert set(FAMILY_OF) == set(NAMES) == set(COLUMN)
    assert len(NAMES) == len(set(NAMES)) == len(MONOTONE)
    assert set(MONOTONE) <= {-1, 0, 1}


@pytest.mark.parametrize(
    ("gaps", "at_least", "at_most"), [(0.0, 0.0, 0.1), (2.0, 0.2, 0.4), (4.0, 0.5, 0.7), (7.0, 0.7, 0.9)]
)
def test_the_rule_scorer_means_what_its_docstring_says(gaps: float, at_least: float, at_most: float) -> None:
    """Silence of 2 gaps is about 0.3, of 4 about 0.6, of 7 about 0.8, before the other terms; no rhythm yet: 7 days."""
    x = np.full((1, len(NAMES)), np.nan)
    x[0, COLUMN["silent_days"]], x[0, COLUMN["usual_gap_days"]], x[0, COLUMN["key_events"]] = gaps * 7, 3.0, 0
    p = RuleScorer().score(x)
    assert at_least <= p[0] <= at_most
    effects = RuleScorer().effects(x)[0]
    assert float(sigmoid(np.array(effects.sum() - 3.2))) == pytest.approx(float(p[0]))


def test_what_the_fold_tallies_is_for_metrics() -> None:
    """Events, duplicates, unknown leads and watching are counted."""
    body: dict[str, Any] = {
        "type": "item_viewed",
        "id": "e",
        "tenant": "acme",
        "lead": "L1",
        "at": START.isoformat(),
        "item": "x",
    }
    receipt = {**body, "type": "receipt", "lead": "L2", "intervention": "i", "channel": "email", "status": "opened"}
    off: dict[str, Any] = {"type": "activate", "id": "off", "partition": 0, "at": START.isoformat(), "acting": False}
    order = {**body, "id": "o", "type": "trigger_intervention", "stage": "active_risk", "by": "kim"}
    log = [message(i, b, START) for i, b in enumerate((body, body, receipt, off, order))]
    done = fold(Partition(0), log, env())
    assert done.tally["events", "item_viewed"] == 2
    assert done.tally["duplicates",] == 1
    assert done.tally["unknown_lead", "receipt"] == 1
    assert done.tally["order", "only_watching"] == 1
    assert {json.loads(o.value or b"")["type"] for o in done.outputs} == {"lead_assessed"}
    assert instant(0).isoformat() == "1970-01-01T00:00:00+00:00"
