"""So many leads are due at the same time that events would wait for them: their turns are spread over several ticks."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from agents import ticks
from streams import sweep
from streams.env import EVERYONE, Env
from streams.lead import Folded, Partition, fold
from streams.risk import RuleScorer
from streams.sweep import turn_of, waiting
from tests.worlds import START, message, policy

LEADS, MOST = 400, 50
ENV = Env({"": {EVERYONE: policy()}, "2": {EVERYONE: policy()}}, {"": RuleScorer()})
LATER = START + timedelta(days=12)
"""By then the risk of all has risen by enough to be told of."""
AT_RISK = START + timedelta(days=40)
"""By then all have entered a stage."""


def _told(partition: Partition, offset: int, at: datetime, until: datetime | None) -> Folded:
    bound = {} if until is None else {"until": until.isoformat()}
    tick = {"type": "tick", "id": f"t{offset}", "partition": 0, "at": at.isoformat(), **bound}
    done = fold(partition, [message(offset, tick, at)], ENV)
    assert not done.rejected
    return done


def _silent() -> Partition:
    """Leads that were active once, each at a moment of its own."""
    partition = Partition(0)
    for n in range(LEADS):
        at = START + timedelta(seconds=n)
        body = {"type": "item_viewed", "id": "e", "tenant": "acme", "lead": f"L{n}", "item": "x", "at": at.isoformat()}
        fold(partition, [message(n, body, at)], ENV)
    return partition


def _looked_at(partition: Partition) -> dict[bytes, tuple[float, int, int]]:
    """When each lead is due, its last message and its last assessment."""
    table = partition.table
    return {k: (table.due[r], int(table.rows["guard"][r]), int(table.rows["seq"][r])) for k, r in table.index.items()}


def test_each_lead_has_its_turn_once_the_longest_due_first() -> None:
    partition, offset, seen = _silent(), LEADS, list[bytes | None]()
    while (until := turn_of(waiting(partition, LATER.timestamp()), MOST)) is not None:
        done = _told(partition, offset, LATER, until)
        assert done.tally["looks",] == MOST
        seen += dict.fromkeys(out.key for out in done.outputs if out.topic == "lead.assessments")
        offset += 1
    seen += dict.fromkeys(
        out.key for out in _told(partition, offset, LATER, None).outputs if out.topic == "lead.assessments"
    )
    assert len(seen) == len(set(seen)) == LEADS
    turns = [
        {int((key or b"").removeprefix(b"acme:L")) // MOST for key in seen[i : i + MOST]} for i in range(0, LEADS, MOST)
    ]
    assert turns == [{n} for n in range(LEADS // MOST)]


def test_after_a_crash_nobody_takes_the_place_of_those_that_were_written_already() -> None:
    """What the tick says is a moment. If it were a number, others would be looked at in place of those that are done."""
    whole, partition = _silent(), _silent()
    until = turn_of(waiting(whole, LATER.timestamp()), MOST)
    _told(whole, LEADS, LATER, until)
    log = dict((*partition.changes()[0], *partition.changes()[1]))
    _told(partition, LEADS, LATER, until)
    leads, _ = partition.changes()
    log.update(leads[: MOST // 2])  # and then it crashed
    again = Partition(0)
    again.restore([(key, value, 0) for key, value in log.items()])
    assert _told(again, LEADS, LATER, until).tally["looks",] == MOST - MOST // 2
    assert _looked_at(again) == _looked_at(whole)


@pytest.mark.parametrize("block", [1, 7, LEADS - 1])
def test_how_many_are_scored_together_does_not_matter(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calm leads and such that enter a stage: what is said of each, and what is held of it afterwards, stays the same."""
    for at, stage in ((LATER, "none"), (AT_RISK, "active_risk")):
        ends = []
        for size in (LEADS, block):
            monkeypatch.setattr(sweep, "BLOCK", size)
            partition = _silent()
            done = [_told(partition, LEADS + i, when, None) for i, when in enumerate((START + timedelta(hours=9), at))]
            outputs = sorted((out.topic, out.key or b"", out.value or b"") for each in done for out in each.outputs)
            ends.append((outputs, [each.tally for each in done], _looked_at(partition), partition.changes()))
        assert ends[0] == ends[1]
        assert ends[0][1][1]["assessed", stage] == LEADS


@pytest.mark.parametrize("minutes", [5, 60])
def test_those_that_other_versions_make_look_again_wait_likewise(minutes: int) -> None:
    partition = _silent()
    order = {
        "type": "activate",
        "id": "a",
        "partition": 0,
        "at": START.isoformat(),
        "policy": "2",
        "within_minutes": minutes,
    }
    fold(partition, [message(LEADS, order, START + timedelta(hours=1))], ENV)
    end = START + timedelta(hours=1, minutes=minutes)
    looks, offset = [], LEADS + 1
    while (until := turn_of(waiting(partition, end.timestamp()), MOST)) is not None:
        looks.append(_told(partition, offset, end, until).tally["looks",])
        offset += 1
    looks.append(_told(partition, offset, end, None).tally["looks",])
    assert sum(looks) == LEADS
    assert max(looks) <= MOST + 2, "two of four hundred may share a moment"
    assert turn_of(waiting(partition, end.timestamp()), 0) is None, "nobody is left"


def test_few_are_not_made_to_wait() -> None:
    partition = _silent()
    assert turn_of(waiting(partition, LATER.timestamp()), LEADS) is None
    assert turn_of(waiting(partition, START.timestamp()), 0) is None, "nobody is due yet"
    assert turn_of(waiting(partition, LATER.timestamp()), LEADS - 1) < LATER.astimezone(UTC)  # type: ignore[operator]


def test_a_worker_looks_at_as_many_as_it_can_in_its_time() -> None:
    pace = ticks.Pace()
    assert pace.most(4) == ticks.FEWEST // 4, "nothing is known yet"
    pace.note(ticks.FEWEST, 0.04)
    assert pace.most(1) == 2 * ticks.FEWEST, "cheap looks: twice as many"
    for _ in range(10):
        pace.note(pace.most(1), pace.most(1) * 20e-6)
    assert pace.most(16) == ticks.MOST // 16
    pace.note(ticks.MOST, ticks.MOST * 1e-3)
    assert pace.most(1) == ticks.FEWEST, "dear looks: at once as few as take about two seconds"
    pace.note(ticks.FEWEST, ticks.FEWEST * 0.5e-3)
    assert pace.most(1) == ticks.BUDGET_S / 0.5e-3
    pace.note(3, 0.5)
    assert pace.most(1) == ticks.BUDGET_S / 0.5e-3, "of three leads the events beside them are most of it"


def test_some_must_wait_and_ticks_say_so() -> None:
    partition, at = _silent(), LATER
    pace = ticks.Pace()
    sent, some_wait = ticks.ticks_for("p.", [partition], at, pace)
    assert not some_wait
    assert "until" not in json.loads(sent[0].value or b"")
    crowd = [partition] * (ticks.FEWEST // MOST)
    sent, some_wait = ticks.ticks_for("p.", crowd, at, pace)
    assert some_wait
    told = {datetime.fromisoformat(json.loads(tick.value or b"")["until"]) for tick in sent}
    assert told == {turn_of(waiting(partition, at.timestamp()), MOST)}


def test_where_only_one_partition_is_crowded_it_has_all_the_room() -> None:
    pace, idle = ticks.Pace(), [Partition(n) for n in range(1, 40)]
    _, some_wait = ticks.ticks_for("p.", [_silent(), *idle], LATER, pace)
    assert not some_wait
