"""Other versions are put in force: from that record on, for nobody at once, and for everybody before long."""

from datetime import datetime, timedelta
from typing import Any

from streams.env import EVERYONE, Env
from streams.lead import Partition, fold
from streams.risk import RuleScorer
from tests.laws.world import Stern
from tests.worlds import START, message, policy

LEADS = 400
SPAN = timedelta(minutes=30)


ENV = Env({"": {EVERYONE: policy()}}, {"": RuleScorer(), "stern": Stern(), "again": Stern()})


def _order(at: datetime, **fields: Any) -> dict[str, Any]:
    return {"type": "activate", "id": f"a-{at:%H%M}", "partition": 0, "at": at.isoformat(), **fields}


class World:
    """Some leads that have just been active, and what is told of them from then on."""

    def __init__(self) -> None:
        self.partition, self.count, self.told = Partition(0), 0, list[Any]()
        for n in range(LEADS):
            body = {"type": "item_viewed", "id": "e", "tenant": "acme", "lead": f"L{n}", "item": "x"}
            self.fold({**body, "at": START.isoformat()}, START)
        self.partition.changes()

    def fold(self, body: dict[str, Any], at: datetime) -> int:
        """Fold one message; how many assessments came of it."""
        done = fold(self.partition, [message(self.count, body, at)], ENV)
        assert not done.rejected
        self.count += 1
        self.told += done.outputs
        return len(done.outputs)

    def tick(self, at: datetime) -> int:
        """Let the time be known."""
        return self.fold({"type": "tick", "id": f"t{self.count}", "partition": 0, "at": at.isoformat()}, at)


def test_nothing_is_written_when_it_is_ordered_and_everybody_is_looked_at_once() -> None:
    world = World()
    world.fold(_order(START, model="stern"), START)
    leads, last = world.partition.changes()
    assert leads == [], "an order that rewrote every lead would hold up a worker with a million of them for seconds"
    assert len(last) == 1
    looked = [world.tick(START + SPAN * i / 10) for i in range(11)]
    assert sum(looked) == LEADS
    assert {out.key for out in world.told[-LEADS:]} == {f"acme:L{n}".encode() for n in range(LEADS)}
    assert all(0 < n < LEADS / 5 for n in looked[1:]), looked
    assert world.tick(START + SPAN * 1.1) == 0, "and that was it"


def test_ticks_far_apart_leave_nobody_out_and_another_order_begins_anew() -> None:
    world = World()
    world.fold(_order(START, model="stern"), START)
    assert world.tick(START + SPAN / 2) < LEADS
    world.fold(_order(START + SPAN / 2, model="again"), START + SPAN / 2)
    before = len(world.told)
    world.tick(START + 3 * SPAN)
    assert {out.key for out in world.told[before:]} <= {f"acme:L{n}".encode() for n in range(LEADS)}
    assert world.partition.table.rows["guard"][:LEADS].min() == world.count - 1, "this tick saw every lead"


def test_at_once_where_the_order_says_so() -> None:
    world = World()
    world.fold(_order(START, model="stern", within_minutes=0), START)
    assert world.tick(START) == LEADS
    assert world.tick(START + SPAN) == 0


def test_the_same_versions_again_change_nothing() -> None:
    world = World()
    world.fold(_order(START, model="stern", within_minutes=0), START)
    assert world.tick(START) == LEADS
    world.fold(_order(START + SPAN, model="stern", within_minutes=0), START + SPAN)
    assert world.tick(START + SPAN) == 0
