"""A log of several tenants is read by each one's own policy, as live: what its kinds mean, its language, its journey."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np

from agents.logged import LoggedEvent
from agents.meanings import vocabulary_of
from agents.sentiment import reader_of
from agents.snapshots import ActivityLog
from streams.env import EVERYONE, Env
from streams.features import Rows
from streams.lead import Message, fold
from streams.partition import Partition
from streams.policy import Policy
from streams.risk import RuleScorer
from streams.vector import COLUMN, vectors
from tests.unit.lives import CALM
from tests.worlds import START, policy

JOURNEY = {"stages": [{"name": "looking", "done_on": ["tasted"], "stalled_after_days": 1}, {"name": "buying"}]}
OTHERS = policy({**CALM, "journey": {}, "campaigns": {}})
OWN = policy(
    {
        **CALM,
        "campaigns": {},
        "journey": JOURNEY,
        "language": "en",
        "vocabulary": {"tasted": {"family": "intent", "key": True}},
    }
)
END = START + timedelta(days=12)


def policy_of(tenant: str) -> Policy:
    """One tenant has its own."""
    return OWN if tenant == "own" else OTHERS


def told() -> Iterator[LoggedEvent]:
    """The same of a lead of each tenant: it tastes every day, and likes it."""
    for day in range(11):
        for tenant in ("own", "acme"):
            at = START + timedelta(days=day)
            for what in (
                {"type": "custom", "kind": "tasted"},
                {"type": "message_received", "text": "I love it, great!"},
            ):
                body: dict[str, Any] = {"v": 1, "id": f"{what['type']}{day}", "tenant": tenant, "lead": "L", **what}
                body["at"] = at.isoformat()
                yield LoggedEvent(round(at.timestamp() * 1000), f"{tenant}:L".encode(), json.dumps(body).encode())


LOG = list(told())


def live() -> tuple[list[bytes], Rows]:
    """Leads and rows as a worker has them under these policies."""
    moods = {"en": reader} if (reader := reader_of("en")) else {}
    partition, env = Partition(0), Env({"": {EVERYONE: OTHERS, "own": OWN}}, {"": RuleScorer()}, moods=moods)
    assert not fold(partition, [Message(i, one.at_ms, one.key, one.value) for i, one in enumerate(LOG)], env).rejected
    keys = sorted(partition.table.index)
    return keys, partition.table.rows[[partition.table.index[key] for key in keys]]


def test_each_tenants_events_mean_to_training_what_they_mean_live() -> None:
    log = ActivityLog.read(LOG, policy_of)
    keys, rows = live()
    now = np.full(len(keys), END.timestamp())
    x = vectors(log.known_rows(END.timestamp())[[log.keys.index(key) for key in keys]], now)
    assert np.array_equal(x, vectors(rows, now), equal_nan=True)
    others, own = (x[keys.index(key)] for key in (b"acme:L", b"own:L"))
    assert own[COLUMN["key_events"]] > others[COLUMN["key_events"]], "to one of them a taste is a sign of life"
    assert own[COLUMN["mood"]] > 0.5
    assert np.isnan(others[COLUMN["mood"]])
    assert log.untold == {"tasted": 11}
    assert len(log.life.times) == 33


def test_the_vocabularies_of_all_tenants_are_named() -> None:
    assert set(ActivityLog.read(LOG, policy_of).vocabulary.split()) == {vocabulary_of(OWN), vocabulary_of(OTHERS)}
    assert ActivityLog.read(LOG, OWN).vocabulary == vocabulary_of(OWN)
