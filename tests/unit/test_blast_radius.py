"""To how many leads an action goes by itself: beyond, a person decides. Deterministic from the log, for each partition by itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from streams.blast_radius import LONGEST, Reach
from streams.entries import LONGEST_ROUND, Reached
from streams.env import Env
from streams.lead import Message, Out, Partition, fold
from streams.record import LeadRecord
from tests.unit.lives import CALM
from tests.worlds import env, message, policy

NOON = datetime(2026, 1, 7, 15, tzinfo=UTC)
NOTE = {"action": "special_offer", "channel": "email", "template": "critical_risk.email", "within_hours": 60}
OTHER = NOTE | {"action": "market_update", "template": "early_warning.email"}


class Crowd:
    """Leads for which something is ordered at hours after `NOON`; each decision is kept by lead."""

    def __init__(self, leads: int, partitions: int = 1) -> None:
        rules = {"actions": [], "blast_radius": {"leads": leads, "within_hours": 2}, "expires_after_hours": 24}
        made = env(policy({**CALM, "holdout": {"share": 0.0}, "approvals": rules}))
        self.world = Env(made.policies, made.scorers, partitions=partitions)
        self.partition, self.log = Partition(0), list[Message]()
        self.told: list[dict[str, Any]] = []

    def tell(self, hours: float, lead: str, event: str, **fields: Any) -> list[Out]:
        at = NOON + timedelta(hours=hours)
        body = {"id": f"e{len(self.log)}", "type": event, "tenant": "acme", "lead": lead, "at": at.isoformat()} | fields
        return self.fold(message(len(self.log), body, at))

    def fold(self, one: Message) -> list[Out]:
        self.log.append(one)
        done = fold(self.partition, [one], self.world)
        assert not done.rejected
        self.told += [json.loads(o.value or b"") for o in done.outputs if o.topic == "lead.decisions"]
        return done.outputs

    def tick(self, hours: float) -> None:
        at = NOON + timedelta(hours=hours)
        name = f"t{len(self.log)}"
        self.fold(message(len(self.log), {"id": name, "type": "tick", "partition": 0, "at": at.isoformat()}, at))

    def order(self, hours: float, *leads: str, what: dict[str, Any] = NOTE) -> None:
        for lead in leads:
            self.tell(hours, lead, "profile_updated", email=f"{lead}@example.com")
            self.tell(hours, lead, "trigger_intervention", stage="critical_risk", by="kim", actions=[what])

    def said(self, *leads: str) -> list[list[tuple[str, str]]]:
        return [[(d["verdict"], d["rule"]) for d in self.told if d["lead"] == lead] for lead in leads]


SENT, WAITS = ("sent", "operator"), ("deferred", "blast_radius")


def test_beyond_so_many_leads_an_action_waits_for_a_persons_yes() -> None:
    crowd = Crowd(leads=2)
    crowd.order(0, "A", "B", "C", "D")
    crowd.order(0, "E", what=OTHER)
    assert crowd.said(*"ABCDE") == [[SENT], [SENT], [WAITS], [WAITS], [SENT]], "each action by itself"
    asked = next(d for d in crowd.told if d["lead"] == "C")
    assert asked["detail"] == "special_offer came up for 2 other leads within 2 h; beyond 2 a person decides"
    crowd.tell(1, "C", "approve_intervention", intervention=asked["intervention"], by="lee")
    crowd.tick(24.5)
    assert crowd.said("C", "D") == [[WAITS, SENT], [WAITS, ("held", "approval")]]
    assert [d["detail"] for d in crowd.told if d["lead"] in "CD"][-2:] == [
        "nothing objected; lee agreed", "nobody agreed within 24 h",
    ]  # fmt: skip


def test_leads_that_wait_count_as_well_until_the_window_has_passed() -> None:
    crowd = Crowd(leads=2)
    crowd.order(0, "A", "B")
    crowd.order(1, "C", "D")
    crowd.order(2.5, "E")
    assert crowd.said("E") == [[WAITS]], "A and B are out of sight, C and D wait"
    crowd.order(4.6, "F")
    assert crowd.said("F") == [[SENT]]


def test_partitions_share_it_and_each_may_reach_one_at_least() -> None:
    halves, many = Crowd(leads=4, partitions=2), Crowd(leads=4, partitions=9)
    halves.order(0, "A", "B", "C")
    many.order(0, "A", "B")
    assert halves.said(*"ABC") == [[SENT], [SENT], [WAITS]]
    assert "beyond 2 here (of 4 in all) a person decides" in halves.told[-1]["detail"]
    assert many.said(*"AB") == [[SENT], [WAITS]]


def test_after_a_crash_the_same_lead_waits_with_the_same_words() -> None:
    """A goes first, B waits, C waits; only A and C got to the changelog. B is judged as the first time."""
    crowd = Crowd(leads=1)
    crowd.order(0, "A", "B", "C")
    assert crowd.said(*"ABC") == [[SENT], [WAITS], [WAITS]]
    whole = Partition(0)
    told = fold(whole, crowd.log, crowd.world).outputs
    leads, _ = whole.changes()
    second = Partition(0)
    second.restore([(key, value, 0) for key, value in leads if key != b"acme:B"])
    assert fold(second, crowd.log, crowd.world).outputs == [o for o in told if o.key == b"acme:B"]
    second.touch_all(np.array(list(second.table.index.values())))
    assert dict(second.changes()[0]) == dict(leads)


def test_what_no_window_sees_any_more_and_who_was_erased_is_dropped() -> None:
    crowd = Crowd(leads=1)
    crowd.order(0, "A")
    crowd.tell(0.1, "A", "erase_lead", by="kim")
    crowd.order(0.2, "B")
    assert crowd.said("B") == [[SENT]]
    record = LeadRecord(reached=[Reached(5, 100.0, "x"), Reached(9, 200.0, "x")])
    reach = Reach([(b"a:L", record), (b"b:L", record)])
    assert [reach.count(b"a:Z", "x", offset, 0.0) for offset in (4, 5, 9)] == [0, 1, 2]
    assert reach.count(b"a:Z", "x", 9, 100.0) == 1
    reach.add(b"a:M", Reached(10, 200.0 + LONGEST, "x"))
    assert reach.count(b"a:Z", "x", 10, 0.0) == 1
    late = LONGEST_ROUND / 3600 + 1
    crowd.order(late, "B")
    row = crowd.partition.table.index[b"acme:B"]
    assert len(crowd.partition.records[row]) < 1_000
