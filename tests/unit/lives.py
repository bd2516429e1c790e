"""The life of one lead, told step by step, and what followed from it: for tests of rules that need a history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from streams.lead import Partition, fold
from streams.record import LeadRecord
from streams.state import decode_record
from tests.worlds import START, env, lead_named, message, policy

CALM: Mapping[str, Any] = {
    "quiet_hours": {"start": "00:00", "end": "00:00"},
    "caps": {
        "max_per_day": 1000,
        "max_per_week": 1000,
        "cooldown_hours": 0,
        "action_gap_hours": dict.fromkeys(("market_update", "immediate_call", "special_offer"), 0),
    },
    "approvals": {"actions": []},
    "channels": {c: {"max_per_week": 1000, "min_gap_hours": 0} for c in ("email", "in_app")},
}
"""Nothing keeps a step from going out but the rule that a test is about."""


class Life:
    """Times are days after `tests.worlds.START`. Outputs are gathered in `told`, as dictionaries with their topic."""

    def __init__(self, changes: Mapping[str, Any] | None = None, *, out: bool = False, **profile: Any) -> None:
        self.lead = lead_named("H" if out else "L", tenant="acme", out=out)
        self.world, self.partition, self.count = env(policy({**CALM, **(changes or {})})), Partition(0), 0
        self.told: list[dict[str, Any]] = []
        self.tell(0, "profile_updated", **{"name": "Ann", "email": "ann@harbour-homes.com", **profile})

    def tell(self, day: float, event: str, /, *, happened: float | None = None, **fields: Any) -> list[dict[str, Any]]:
        """Something arrives on a day (and happened on another); what it led to."""
        at = START + timedelta(days=day)
        body = {"id": f"e{self.count}", "type": event, "tenant": "acme", "lead": self.lead, **fields}
        return self._fold(at, body | {"at": (at if happened is None else START + timedelta(days=happened)).isoformat()})

    def act(self, day: float, *, acting: bool) -> None:
        """From this day on messages are sent, or not."""
        at = START + timedelta(days=day)
        self._fold(
            at, {"id": f"a{self.count}", "type": "activate", "partition": 0, "at": at.isoformat(), "acting": acting}
        )

    def ticks(self, first: int, last: int) -> None:
        """A tick on each of these days."""
        for day in range(first, last + 1):
            at = START + timedelta(days=day)
            self._fold(at, {"id": f"t{self.count}", "type": "tick", "partition": 0, "at": at.isoformat()})

    def _fold(self, at: Any, body: dict[str, Any]) -> list[dict[str, Any]]:
        done = fold(self.partition, [message(self.count, body, at)], self.world)
        assert not done.rejected, done.outputs
        self.count += 1
        new = [{"topic": o.topic, **json.loads(o.value or b"")} for o in done.outputs]
        self.told += new
        return new

    def grow_silent(self, until: int) -> None:
        """A view on days 0, 2, 4, 6 and 8; then silence, with a tick a day."""
        for day in range(0, 9, 2):
            self.tell(day, "item_viewed", item=f"listing-{day}")
        self.ticks(9, until)

    @property
    def record(self) -> LeadRecord:
        """What is kept of the lead now."""
        return decode_record(self.partition.records[self.partition.table.index[f"acme:{self.lead}".encode()]])

    def commands(self, channel: str) -> list[str]:
        """Ids of what was to be delivered by a channel."""
        return [t["id"] for t in self.told if t["type"] == "deliver_intervention" and t["channel"] == channel]

    def tracked(self, channel: str) -> list[tuple[str, str, bool]]:
        """Status, outcome and whether it is final: all that was said of interventions by a channel."""
        return [
            (t["status"], t["outcome"], t["final"])
            for t in self.told
            if t["type"] == "intervention_tracked" and t["channel"] == channel
        ]
