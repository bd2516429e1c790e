"""A log with a secret that can be learned: leads buy in a rhythm of their own until they leave, without a word.

Drawn from a fixed seed. Who left cannot be seen at once, but silence against the own rhythm gives it away; and those
who opened a ticket leave sooner.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np

from agents.eventlog import LoggedEvent
from agents.snapshots import ActivityLog
from schemas.units import Channel
from streams.features import DAY, Bools
from streams.labels import Label
from streams.policy import Policy
from streams.thresholds import ChannelRule

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 330
LABEL = Label(horizon_days=30, eligible_days=90)
POLICY = Policy(name="planted", version="1", channels={Channel.EMAIL: ChannelRule(contacts_lead=True)})


def message(lead: int, at: float, kind: str, nth: int, **fields: object) -> LoggedEvent:
    """One event, `at` in days after START."""
    when = START + timedelta(milliseconds=round(at * DAY * 1000))
    body = {
        "v": 1,
        "type": kind,
        "id": f"{kind}-{nth}",
        "tenant": "t",
        "lead": f"L{lead}",
        "at": when.isoformat(),
        **fields,
    }
    return LoggedEvent(round(when.timestamp() * 1000), f"t:L{lead}".encode(), json.dumps(body).encode())


def planted_log(leads: int = 500, seed: int = 11) -> list[LoggedEvent]:
    """The log, sorted by time."""
    rng = np.random.default_rng(seed)
    log: list[LoggedEvent] = []
    for lead in range(leads):
        rhythm, at, nth = rng.uniform(2, 15), rng.uniform(0, DAYS * 0.8), 0
        leaves_at = at + rng.exponential(90)
        while at < min(leaves_at, DAYS):
            log.append(message(lead, at, "purchase_completed", nth, amount_cents=int(rng.integers(100, 9000))))
            if rng.random() < 0.05:
                log.append(message(lead, at + 0.01, "ticket_opened", nth))
                leaves_at = min(leaves_at, at + rng.exponential(20))
            at, nth = at + rng.gamma(3, rhythm / 3), nth + 1
    return sorted(log, key=lambda e: e.at_ms)


class ShuffledLog(ActivityLog):
    """A log whose truth is dealt out anew among the leads of each snapshot: nothing is left to learn."""

    def shuffled(self, seed: int) -> Self:
        """Deal by this seed; the same snapshot always gets the same deal."""
        self._seed = seed
        return self

    def churned(self, t: float, label: Label) -> Bools:
        """Which leads went quiet, at random, as many as really did."""
        truth, who = super().churned(t, label), np.flatnonzero(self.eligible(t, label))
        truth[who] = truth[np.random.default_rng([self._seed, int(t)]).permutation(who)]
        return truth
