"""What has to be remembered to grade by: risks that were told, signs of life, closings, messages sent. SQLite, a file or memory.

The topics forget too soon: the inbox is kept for 30 days, and a risk with a horizon of 30 days comes true after more than
that. So what matters is noted night by night, and how far each topic was read in the same transaction. Of a lead a hash is
kept, its tenant and its region; what was told of it is kept once a day, the newest, so that looks are at midnight UTC.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from pydantic import ValidationError

from schemas import events as e
from schemas import topics
from streams.closed import Closed
from streams.features import DAY, Ints
from streams.grade import Told
from streams.holdout import held_out
from streams.ids import fingerprint
from streams.labels import Moments
from streams.policy import PolicyOf
from streams.stage import ORDER
from streams.vocabulary import meaning

KEPT_DAYS = 400
"""The longest horizon (180 days), a quarter of looks, and as much silence before them."""
AHEAD_S = 300.0
"""An event's time counts at most so far ahead of its arrival, as in the fold: a wrong clock may not end the log."""
WAIT_S = 60.0
"""For another process that takes notes in the same file."""
_STAGE = {str(stage): i for i, stage in enumerate(ORDER)}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS leads (lead INTEGER PRIMARY KEY, tenant TEXT, region TEXT, held_out INTEGER);
CREATE TABLE IF NOT EXISTS signs (lead INTEGER, at REAL, known REAL, PRIMARY KEY (lead, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS closings (
    lead INTEGER, at REAL, outcome TEXT, known REAL, back REAL, PRIMARY KEY (lead, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sent (lead INTEGER, at REAL, PRIMARY KEY (lead, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (
    lead INTEGER, day INTEGER, version TEXT, at REAL, p REAL, stage INTEGER, PRIMARY KEY (lead, day, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shadow (
    lead INTEGER, day INTEGER, version TEXT, at REAL, p REAL, stage INTEGER, PRIMARY KEY (lead, day, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS read (topic TEXT, partition INTEGER, next INTEGER, PRIMARY KEY (topic, partition));
CREATE TABLE IF NOT EXISTS reached (one INTEGER PRIMARY KEY, at REAL);
CREATE TABLE IF NOT EXISTS tried (one INTEGER PRIMARY KEY, at REAL);
"""
_OF_LEADS = ("signs", "closings", "sent", "told", "shadow", "leads")
_TELLING = {topics.ASSESSMENTS.name: "told", topics.SHADOW.name: "shadow"}
"""Topics of probabilities, and the tables they are noted in: a shadow may not be taken for what was told."""


_MOMENT = np.dtype([("lead", "<i8"), ("at", "<f8"), ("known", "<f8")])
_TOLD = np.dtype([("lead", "<i8"), ("at", "<f8"), ("p", "<f8"), ("stage", "i1"), ("mine", "?")])
"""Rows as they come from the file: 26 bytes each, where Python's tuples take 200."""


class _Assessed(msgspec.Struct):
    tenant: str
    lead: str
    at: datetime
    probability: float
    model_version: str
    stage: str = "none"
    """A shadow has none."""


class _Decided(msgspec.Struct):
    tenant: str
    lead: str
    at: datetime
    verdict: str


_assessed, _decided = msgspec.json.Decoder(_Assessed).decode, msgspec.json.Decoder(_Decided).decode


class Leads(NamedTuple):
    """What is known of the leads, by number: tenant, region (empty: not known), whether nobody may contact them."""

    tenants: list[str]
    regions: list[str]
    held_out: Ints


class Remembered:
    """The notes.

    Args:
        path: Of the file; None: in memory, for one look at whole topics.
        policy_of: Tenant -> policy: what its events mean, who is held out.
    """

    def __init__(self, path: Path | None, policy_of: PolicyOf) -> None:
        """Open it, or begin one."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path or ":memory:", timeout=WAIT_S, isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._add_columns()
        self._policy_of = policy_of
        self._known: set[int] = set()

    def _add_columns(self) -> None:
        """Notes of an older version are taken to have been known as things happened."""
        old = "SELECT count(*) = 0 FROM pragma_table_info('signs') WHERE name = 'known'"
        if not self._db.execute(old).fetchone()[0]:
            return
        self.begin()
        if self._db.execute(old).fetchone()[0]:  # no other process was faster
            self._db.execute("ALTER TABLE signs ADD COLUMN known REAL")
            self._db.execute("ALTER TABLE closings ADD COLUMN known REAL")
            self._db.execute("ALTER TABLE closings ADD COLUMN back REAL")
            self._db.execute("UPDATE signs SET known = at")
            back = "SELECT min(at) FROM signs WHERE signs.lead = closings.lead AND signs.at > closings.at"
            self._db.execute(f"UPDATE closings SET known = at, back = ({back})")  # noqa: S608 - no more than the line above
        self._db.execute("COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    # -- taking notes

    def begin(self) -> None:
        """Begin a transaction: all that is taken until `commit` is remembered together, or not at all."""
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self, read: Mapping[tuple[str, int], int]) -> None:
        """Remember it, and where to read on: (topic, partition) -> next offset. What is too old to matter is dropped."""
        self._db.executemany("REPLACE INTO read VALUES (?, ?, ?)", [(*place, n) for place, n in read.items()])
        cut = self.end - KEPT_DAYS * DAY
        for table in ("signs", "sent", "told", "shadow"):
            self._db.execute(f"DELETE FROM {table} WHERE at < ?", (cut,))  # noqa: S608 - names are ours
        self._db.execute("COMMIT")

    def roll_back(self) -> None:
        """Forget what was taken since `begin`."""
        self._known.clear()
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def read_up_to(self) -> dict[tuple[str, int], int]:
        """Where to read on."""
        return {(topic, partition): n for topic, partition, n in self._db.execute("SELECT * FROM read")}

    def note_try(self, at: float) -> None:
        """Note that a model was trained anew, whatever came of it (epoch seconds)."""
        self._db.execute("REPLACE INTO tried VALUES (1, ?)", (at,))

    @property
    def tried(self) -> float:
        """When that was last, epoch seconds; 0: never."""
        found = self._db.execute("SELECT max(at) FROM tried").fetchone()[0]
        return float(found or 0.0)

    def take(self, topic: str, value: bytes, timestamp_ms: int = 0) -> None:
        """Note one record; what cannot be read is left out, as it was dead-lettered.

        Args:
            topic: Its name without prefix.
            value: The record.
            timestamp_ms: When the broker had it; 0 where the log carries its own time.
        """
        if topic == topics.EVENTS.name:
            self._event(value, timestamp_ms)
        elif topic in _TELLING:
            one = _assessed(value)
            at, lead = one.at.timestamp(), self._lead(one.tenant, one.lead)
            self._db.execute(
                f"INSERT INTO {_TELLING[topic]} VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at, "  # noqa: S608
                "p = excluded.p, stage = excluded.stage WHERE excluded.at >= at",
                (lead, int(at // DAY), one.model_version, at, one.probability, _STAGE[one.stage]),
            )
        elif topic == topics.DECISIONS.name and b'"sent"' in value and (two := _decided(value)).verdict == "sent":
            row2 = (self._lead(two.tenant, two.lead), two.at.timestamp())
            self._db.execute("INSERT OR IGNORE INTO sent VALUES (?, ?)", row2)

    def _event(self, value: bytes, timestamp_ms: int) -> None:
        try:
            body = e.EVENT.validate_json(value)
        except ValidationError:
            return
        at = body.at.timestamp()
        if timestamp_ms:
            at = min(at, timestamp_ms / 1000 + AHEAD_S)
        known = max(at, timestamp_ms / 1000)
        self._db.execute("INSERT INTO reached VALUES (1, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)", (at,))
        if e.is_control(body):
            return
        lead = self._lead(body.tenant, body.lead)
        if isinstance(body, e.EraseLead):
            for table in _OF_LEADS:
                self._db.execute(f"DELETE FROM {table} WHERE lead = ?", (lead,))  # noqa: S608 - names are ours
            self._known.discard(lead)
        elif isinstance(body, e.ProfileUpdated) and "region" in body.model_fields_set:
            self._db.execute("UPDATE leads SET region = ? WHERE lead = ?", (body.region or "", lead))
        elif isinstance(body, e.LeadClosed):
            closing = (lead, at, body.outcome, known)
            self._db.execute("INSERT OR IGNORE INTO closings VALUES (?, ?, ?, ?, NULL)", closing)
        elif e.is_activity(body) and meaning(body, self._policy_of(body.tenant).kinds).key:
            self._sign(lead, at, known)

    def _sign(self, lead: int, at: float, known: float) -> None:
        """Note a sign of life, and that the lead is back if it was closed, by the rule of `streams.closed`; of a copy nothing."""
        if self._db.execute("INSERT OR IGNORE INTO signs VALUES (?, ?, ?)", (lead, at, known)).rowcount:
            back = "UPDATE closings SET back = ? WHERE lead = ? AND back IS NULL AND known <= ?"
            self._db.execute(back, (known, lead, at))

    def _lead(self, tenant: str, lead: str) -> int:
        number = fingerprint(f"{tenant}:{lead}") - (1 << 63)  # SQLite's integers have a sign
        if number not in self._known:
            held = held_out(self._policy_of(tenant).holdout, tenant, lead)
            self._db.execute("INSERT OR IGNORE INTO leads VALUES (?, ?, '', ?)", (number, tenant, held))
            self._known.add(number)
        return number

    # -- looking back

    @property
    def end(self) -> float:
        """How far the log has come, epoch seconds; 0: nothing was read."""
        found = self._db.execute("SELECT max(at) FROM reached").fetchone()[0]
        return float(found or 0.0)

    def leads(self) -> Leads:
        """All leads; a lead's number is its place here and in everything below."""
        rows = self._db.execute("SELECT tenant, region, held_out FROM leads ORDER BY lead").fetchall()
        return Leads([r[0] for r in rows], [r[1] for r in rows], np.array([r[2] for r in rows], np.int64))

    def life(self) -> Moments:
        """Signs of life, by time."""
        return self._moments("SELECT lead, at, known FROM signs ORDER BY at, lead")

    def closings(self, outcomes: Iterable[str] | None = None) -> Moments:
        """Closings, by time: all, or those with these outcomes."""
        wanted = sorted(outcomes) if outcomes is not None else ["won", "lost", "churned"]
        places = ", ".join("?" * len(wanted))
        query = f"SELECT lead, at, known FROM closings WHERE outcome IN ({places}) ORDER BY at, lead"  # noqa: S608
        return self._moments(query, wanted)

    def closed(self) -> Closed:
        """From when to when leads were closed."""
        found = np.fromiter(self._db.execute("SELECT lead, known, ifnull(back, 9e999) FROM closings"), _MOMENT)
        begins, ends = (np.ascontiguousarray(found[name]) for name in ("at", "known"))
        return Closed(self._places(found["lead"]), begins, ends)

    def sent(self) -> Moments:
        """Messages and tasks that went out, by time."""
        return self._moments("SELECT lead, at, at FROM sent ORDER BY at, lead")

    def versions(self) -> list[str]:
        """Versions that told anything."""
        return [row[0] for row in self._db.execute("SELECT DISTINCT version FROM told ORDER BY version")]

    def told(self, version: str) -> Told:
        """What was told by any version, by time; `mine` is what this one told."""
        return self._told("SELECT lead, at, p, stage, version = ? FROM told ORDER BY at, lead", version)

    def shadowed(self, version: str) -> Told:
        """What a challenger said in shadow, by time."""
        return self._told("SELECT lead, at, p, stage, 1 FROM shadow WHERE version = ? ORDER BY at, lead", version)

    def _told(self, query: str, version: str) -> Told:
        found = np.fromiter(self._db.execute(query, (version,)), _TOLD)
        at, p, mine = (np.ascontiguousarray(found[name]) for name in ("at", "p", "mine"))
        return Told(self._places(found["lead"]), at, p, found["stage"].astype(np.int64), mine)

    def _moments(self, query: str, given: Iterable[Any] = ()) -> Moments:
        found = np.fromiter(self._db.execute(query, tuple(given)), _MOMENT)
        at, known = np.ascontiguousarray(found["at"]), np.ascontiguousarray(found["known"])
        return Moments(self._places(found["lead"]), at, known)

    def _places(self, leads: Ints) -> Ints:
        known = np.fromiter((row[0] for row in self._db.execute("SELECT lead FROM leads ORDER BY lead")), np.int64)
        return np.searchsorted(known, leads)
