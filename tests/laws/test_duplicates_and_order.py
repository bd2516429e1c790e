"""What is sent twice counts once; what comes late counts as if it had come in time."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.features import RING, ROW
from streams.lead import Message, Partition, fold
from streams.replay import replay
from streams.state import PARTITION_KEY, decode_lead
from streams.vector import COLUMN, NAMES, vectors
from tests.laws.histories import ACTIVITIES, MODEST, SPACING, histories
from tests.laws.world import ENV
from tests.worlds import START, env, message

NOT_FEATURES = ("guard",)
"""Columns that a duplicate may move: the offset of the last record seen."""


@MODEST
@given(
    log=histories(),
    picks=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, RING - 1)), min_size=1, max_size=20),
)
def test_duplicates_change_nothing(log: list[Message], picks: list[tuple[int, int]]) -> None:
    """A message that comes again within the lead's last 12 leaves outputs, features and records as they were."""
    again = _with_duplicates(log, picks)
    once, twice = replay({0: log}, ENV), replay({0: again}, ENV)
    assert once.outputs == twice.outputs
    assert _without_guards(once.state[0]) == _without_guards(twice.state[0])


def _with_duplicates(log: list[Message], picks: list[tuple[int, int]]) -> list[Message]:
    """Each pick sends a message again, after one of the lead's next 11; not of leads that may have been forgotten."""
    extra: list[Message] = []
    about_leads = [m for m in log if _type(m) not in {None, "tick", "activate"}]
    for pick, distance in picks:
        chosen = about_leads[pick % len(about_leads)]
        first = next(m for m in about_leads if m.value == chosen.value)  # the chosen one may be a duplicate itself
        after = [m for m in about_leads if m.key == first.key and m.offset >= first.offset][:distance][-1]
        if {"erase_lead", "lead_closed"} & {
            _type(m) for m in about_leads if m.key == first.key and m.offset <= after.offset
        }:
            continue
        used = sum(m.offset // SPACING == after.offset // SPACING for m in extra)
        if used < SPACING - 1:
            extra.append(first._replace(offset=after.offset + 1 + used, timestamp_ms=after.timestamp_ms))
    return sorted([*log, *extra])


def _type(m: Message) -> str | None:
    try:
        body = json.loads(m.value or b"")
    except ValueError:
        return None
    return body.get("type") if isinstance(body, dict) and "id" in body and body.get("at") else None


def _without_guards(state: dict[bytes, bytes]) -> dict[bytes, Any]:
    seen: dict[bytes, Any] = {}
    for key, value in state.items():
        if key != PARTITION_KEY:
            row, record = decode_lead(value)
            seen[key] = [row[name].tolist() for name in ROW.names or () if name not in NOT_FEATURES], record
    return seen


EVENTS = st.lists(st.tuples(st.integers(0, len(ACTIVITIES) - 1), st.integers(0, 3 * 24 * 60)), min_size=2, max_size=24)


@given(drawn=EVENTS, order=st.randoms(use_true_random=False))
def test_a_shuffle_within_the_lateness_bound_leaves_features_unchanged(
    drawn: list[tuple[int, int]], order: Any
) -> None:
    """Events of three days in any order of arrival: the same feature vector, up to the rounding of float32."""
    bodies = [
        {
            "id": f"e{i}",
            "tenant": "acme",
            "lead": "L",
            "at": (START + timedelta(minutes=m)).isoformat(),
            **ACTIVITIES[a],
        }
        for i, (a, m) in enumerate(drawn)
    ]
    in_time = sorted(bodies, key=lambda b: b["at"])
    shuffled = order.sample(bodies, len(bodies))
    money = sum(abs(b.get("amount_cents", 0)) for b in bodies)
    one, other = _vector(in_time), _vector(shuffled)
    for name in NAMES:
        scale = (
            money if name == "money_30d" else 0
        )  # purchases and refunds cancel: rounding is relative to what was added
        a, b = one[COLUMN[name]], other[COLUMN[name]]
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * scale, err_msg=name)


def _vector(bodies: list[dict[str, Any]]) -> Any:
    received = START + timedelta(days=4)
    partition = Partition(0)
    fold(partition, [message(i, body, received) for i, body in enumerate(bodies)], env())
    return vectors(partition.table.rows[:1], np.array([received.timestamp()]))[0]
