"""Who is closed, and who is judged: by what was known then, as live, in training and in grading."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.grading import truth_of
from agents.logged import LoggedEvent
from agents.remembered import Remembered
from agents.snapshots import ActivityLog
from schemas import topics
from streams.features import DAY
from streams.labels import Label
from streams.lead import fold
from streams.partition import Partition
from streams.state import decode_record
from tests.planted import POLICY, START
from tests.planted import message as logged
from tests.unit.lives import CALM
from tests.worlds import START as BEGIN
from tests.worlds import env, message, policy

LABEL = Label(horizon_days=30, eligible_days=30)
ENDS = LABEL.model_copy(update={"churn": "closed"})
RULES = policy({**CALM, "journey": {}, "campaigns": {}})
HEARD: tuple[dict[str, Any], ...] = (
    {"type": "purchase_completed", "amount_cents": 100},
    {"type": "lead_closed", "outcome": "churned"},
    {"type": "page_viewed", "url": "/x"},
)
STORIES = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 2), st.sampled_from([0, 0, 1, 5]), st.sampled_from([0, 0, 1, 9])),
    min_size=1,
    max_size=10,
)
"""Whose, what, how many hours after the one before it became known, and how many hours before that it happened."""


@settings(max_examples=60, deadline=None)
@given(story=STORIES, again=st.integers(0, 9))
@example(story=[(0, 1, 1, 0), (0, 0, 0, 0), (0, 1, 0, 0), (0, 0, 5, 9)], again=9)
@example(story=[(0, 1, 1, 0), (0, 0, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0)], again=9)
@example(story=[(0, 1, 1, 0), (0, 0, 5, 0)], again=0)
def test_training_and_notes_know_of_each_lead_whether_it_is_closed_as_the_fold_does(
    story: list[tuple[int, int, int, int]], again: int
) -> None:
    """Also where words come late, at the same moment, or twice."""
    log, at = list[LoggedEvent](), BEGIN
    for i, (who, what, hours, late) in enumerate(story):
        at += timedelta(hours=hours)
        body = {"v": 1, "id": f"e{i}", "tenant": "acme", "lead": f"L{who}", **HEARD[what]}
        body["at"] = (at - timedelta(hours=late)).isoformat()
        log.append(_known(f"acme:L{who}", body, at.timestamp()))
    if again < len(log):
        log.append(log[again]._replace(timestamp_ms=log[-1].timestamp_ms + 3_600_000))
    partition, world, live = Partition(0), env(RULES), dict[float, set[bytes]]()
    for i, event in enumerate(log):
        now = BEGIN + timedelta(milliseconds=event.timestamp_ms - BEGIN.timestamp() * 1000)
        tick = {"type": "tick", "id": f"t{i}", "partition": 0, "at": now.isoformat()}
        both = [message(2 * i, tick, now), message(2 * i + 1, json.loads(event.value), now)]
        assert not fold(partition, both, world).rejected
        live[now.timestamp()] = _closed_live(partition)
    read, notes = ActivityLog.read(log, RULES), Remembered(None, lambda _: RULES)
    for event in log:
        notes.take(topics.EVENTS.name, event.value, event.timestamp_ms)
    alike = len({(one.key, json.loads(one.value)["at"]) for one in log}) < len(log)  # of which notes keep one of a kind
    noted = {
        f"acme:L{who}".encode(): place for who, place in _places(notes, "acme", {who for who, *_ in story}).items()
    }
    for known, shut in live.items():
        assert {read.keys[i] for i in read.closed.at(known + 0.001).tolist()} == shut
        places = set(notes.closed().at(known + 0.001).tolist())
        assert alike or {key for key, place in noted.items() if place in places} == shut


def _closed_live(partition: Partition) -> set[bytes]:
    records = {row: decode_record(data) for row, data in partition.records.items()}
    return {key for key, row in partition.table.index.items() if row in records and records[row].closed}


def _places(notes: Remembered, tenant: str, leads: set[int]) -> dict[int, int]:
    """Lead -> its place in the notes, which are in the order of their hashes."""
    hashes = {who: notes._lead(tenant, f"L{who}") for who in leads}
    return {who: sorted(hashes.values()).index(number) for who, number in hashes.items()}


def _known(key: str, body: dict[str, Any], known: float) -> LoggedEvent:
    return LoggedEvent(round(known * 1000), key.encode(), json.dumps(body).encode(), round(known * 1000))


def told(lead: int, day: float, kind: str, known: float, **fields: object) -> LoggedEvent:
    """What happened on a day, and was known on another."""
    event = logged(lead, day, kind, round(day * 1000), **fields)
    return event._replace(timestamp_ms=event.at_ms + round((known - day) * DAY * 1000))


def bought(lead: int, day: float, known: float | None = None) -> LoggedEvent:
    """A sign of life."""
    return told(lead, day, "purchase_completed", day if known is None else known, amount_cents=100)


def closed(lead: int, day: float, known: float | None = None) -> LoggedEvent:
    """The end."""
    return told(lead, day, "lead_closed", day if known is None else known, outcome="churned")


def judged(events: list[LoggedEvent], day: float, label: Label = LABEL) -> tuple[bool, bool]:
    """Whether lead 0 is judged on a day, and whether it went quiet, as a model learns it; and that it is graded by the same."""
    events = [*events, *(bought(1, float(day)) for day in range(0, 200, 5))]  # somebody who is always there
    log, t = ActivityLog.read(events, POLICY), START.timestamp() + day * DAY
    (shot,) = log.snapshots([t], label)
    learned = {log.keys[lead]: bool(y) for lead, y in zip(shot.leads.tolist(), shot.y.tolist(), strict=True)}
    with Remembered(None, lambda _: POLICY) as memory:
        for event in sorted(events, key=lambda one: one.timestamp_ms):
            memory.take(topics.EVENTS.name, event.value, event.timestamp_ms)
        (seen,) = truth_of(memory, label, [t]).seen
        keys = {place: f"t:L{who}".encode() for who, place in _places(memory, "t", {0, 1}).items()}
    graded = {keys[lead]: bool(quiet) for lead, quiet in zip(seen.leads.tolist(), seen.quiet.tolist(), strict=True)}
    assert graded == learned
    assert learned[b"t:L1"] is False
    return b"t:L0" in learned, learned.get(b"t:L0", False)


def test_who_is_judged_is_not_chosen_by_what_was_written_down_later() -> None:
    silent = [bought(0, 0), bought(0, 100, known=130)]
    assert not judged(silent, 110)[0], "live it was silent for 110 days then"
    assert judged(silent, 129) == (False, False)
    assert judged([*silent, bought(0, 131)], 131.5)[0]


@pytest.mark.parametrize("label", [LABEL, ENDS])
def test_a_closing_that_is_told_later_leaves_the_lead_to_be_judged_till_then(label: Label) -> None:
    late = [bought(0, 105), closed(0, 108, known=125)]
    assert judged(late, 107, label) == (True, True)
    assert judged(late, 110, label) == (True, True), "nobody knew, it was scored, and it was gone"
    assert judged(late, 126, label) == (False, False)


def test_a_lead_that_was_closed_and_came_back_is_judged_again() -> None:
    back = [bought(0, 40), closed(0, 50), bought(0, 60), bought(0, 80)]
    assert judged(back, 49)[0]
    assert not judged(back, 59)[0]
    assert judged(back, 61) == (True, False)
    assert judged(back, 81) == (True, True)
    assert not judged([*back, closed(0, 90)], 91)[0], "and may be closed again"


def test_a_sign_of_before_the_closing_brings_nobody_back_however_late_it_is_told() -> None:
    assert not judged([bought(0, 40), closed(0, 50), bought(0, 45, known=60)], 61)[0]
    assert not judged([bought(0, 40), closed(0, 45, known=50), bought(0, 48)], 51)[0], "closed is when that is told"


def test_notes_of_an_older_version_are_read_on(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    with Remembered(path, lambda _: POLICY) as memory:
        for event in (bought(0, 40), closed(0, 50), bought(0, 60), closed(1, 55)):
            memory.take(topics.EVENTS.name, event.value)
        was = memory.closed()
        for table, column in (("signs", "known"), ("closings", "known"), ("closings", "back")):
            memory._db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    with Remembered(path, lambda _: POLICY) as memory:
        assert all(np.array_equal(one, other) for one, other in zip(memory.closed(), was, strict=True))
        life = memory.life()
        assert life.known is not None
        assert np.array_equal(life.known, life.times)
        memory.take(topics.EVENTS.name, bought(1, 70).value)
        assert np.isfinite(memory.closed().ends).all()
