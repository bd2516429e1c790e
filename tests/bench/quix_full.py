"""The full job on Quix Streams, run by the interpreter of .venv-bench, written as well as it allows.

Parsing, meanings, feature vectors, model and the assessment's text are the product's own. What differs is what Quix has: one event at
a time, a key's state as bytes in RocksDB with a changelog; so the row is folded in plain Python. The rows go to a sink,
which Quix flushes at each checkpoint before it commits: there the model judges the micro-batch in one call.

It does less than the product: a sink cannot write state, so there is no change since the last assessment, no stage with
hysteresis and dwell, no episode, no decision and no duplicate outside of the ring.
"""

from __future__ import annotations

import argparse
from math import exp, log
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple

import numpy as np
from quixstreams import Application, State
from quixstreams.sinks.base import BatchingSink, SinkBatch

from agents.model import load
from schemas import events as e
from streams.assess import Judge, assessment, measures
from streams.features import DAY, HALF_LIVES_DAYS, MOOD_HALF_LIFE_DAYS, RING, ROW
from streams.ids import fingerprint
from streams.risk import level_of
from streams.validate import parse
from streams.vector import vectors
from streams.vocabulary import Meaning, meaning

ROW_KEY = b"row"
_FORMAT = Struct("<q7d12Q27f9I3f3If3BQB2I")
assert _FORMAT.size == ROW.itemsize, "streams/features.py has another row: follow it here"
_RATES = [log(2.0) / (half * DAY) for half in HALF_LIVES_DAYS]
_MOOD_RATE = log(2.0) / (MOOD_HALF_LIFE_DAYS * DAY)
_LAST, _FIRST, _LAST_KEY, _FIRST_KEY, _CENTS, _RING_FROM, _COUNTS, _FAMILY_LAST = 1, 2, 3, 4, 7, 8, 20, 47
_MONEY, _MOOD, _MOOD_WEIGHT, _EVENTS, _KEY_EVENTS, _SEQ, _RING_AT = 56, 57, 58, 59, 60, 61, 63
_BORN = 66
_EMPTY = bytes(ROW.itemsize)
_ENTER = (0.3, 0.6, 0.8)


class Folded(NamedTuple):
    """What the sink needs of one event."""

    row: bytes
    now: float
    body: e.LeadMessage
    seq: int
    born: int


def fold(row: bytes, at: float, told: Meaning, mark: int) -> tuple[bytes, int, int] | None:
    """Apply one event to a row: the formulas of `streams.features`, one number after the other. None: a duplicate.

    Returns:
        The row, how many assessments it had with this one, and the lead's birth mark.
    """
    v: list[Any] = list(_FORMAT.unpack(row))
    if mark in v[_RING_FROM : _RING_FROM + RING]:
        return None
    fresh = v[_EVENTS] == 0
    last = at if fresh else v[_LAST]
    ahead, behind = max(at - last, 0.0), max(last - at, 0.0)
    if ahead:
        one, seven, thirty = (exp(-ahead * rate) for rate in _RATES)
        for i in range(_COUNTS, _FAMILY_LAST, 3):
            v[i] *= one
            v[i + 1] *= seven
            v[i + 2] *= thirty
        v[_MONEY] *= thirty
        fade = exp(-ahead * _MOOD_RATE)
        v[_MOOD] *= fade
        v[_MOOD_WEIGHT] *= fade
    base = _COUNTS + 3 * told.family
    for i, rate in enumerate(_RATES):
        v[base + i] += exp(-behind * rate) if behind else 1.0
    v[_MONEY] += told.cents * exp(-behind * _RATES[2])
    if told.mood == told.mood:  # not NaN
        weight = exp(-behind * _MOOD_RATE)
        v[_MOOD] += told.mood * weight
        v[_MOOD_WEIGHT] += weight
    v[_LAST] = max(last, at)
    v[_FIRST] = at if fresh else min(v[_FIRST], at)
    if told.key:
        v[_FIRST_KEY] = at if v[_KEY_EVENTS] == 0 else min(v[_FIRST_KEY], at)
        v[_LAST_KEY] = max(v[_LAST_KEY], at)
        v[_KEY_EVENTS] += 1
    v[_FAMILY_LAST + told.family] = max(v[_FAMILY_LAST + told.family], int(at))
    v[_CENTS] += told.cents
    v[_EVENTS] += 1
    v[_SEQ] += 1
    v[_RING_FROM + v[_RING_AT]] = mark
    v[_RING_AT] = (v[_RING_AT] + 1) % RING
    v[_BORN] = v[_BORN] or mark
    return _FORMAT.pack(*v), v[_SEQ], v[_BORN]


def on_event(value: bytes, key: bytes, timestamp: int, _: Any, state: State) -> Folded | None:
    """Parse, fold into the key's state; None for what is a duplicate."""
    body, at = parse(key, value, timestamp)
    assert isinstance(body, e.Activity)
    folded = fold(state.get_bytes(ROW_KEY, _EMPTY), at, meaning(body, {}), fingerprint(body.id))
    if folded is None:
        return None
    row, seq, born = folded
    state.set_bytes(ROW_KEY, row)
    return Folded(row, at, body, seq, born)


class Assessments(BatchingSink):  # type: ignore[misc]  # mypy runs where Quix Streams is not installed
    """Judges the rows of a checkpoint in one call and waits until the broker has their assessments."""

    def __init__(self, app: Application, topic: str, model: Path) -> None:
        super().__init__()
        self._topic, self._scorer = topic, load(model)
        self._judge = Judge("model", self._scorer.version, "1")
        self._producer = app.get_producer().__enter__()

    def write(self, batch: SinkBatch) -> None:
        """Vectors, one prediction, one record each."""
        folded: list[Folded] = [item.value for item in batch]
        x = vectors(np.frombuffer(b"".join(f.row for f in folded), ROW), np.array([f.now for f in folded]))
        p = self._scorer.score(x)
        for item, f, risk, measured in zip(batch, folded, p.tolist(), measures(x, p).tolist(), strict=True):
            level = level_of(risk, _ENTER)
            said = assessment(
                f.body.tenant, f.body.lead, f.born, f.seq, f.now, f.body.id,
                risk, 0.0, level, level, level, measured, self._judge,
            )  # fmt: skip
            self._producer.produce(self._topic, said, key=item.key, partition=batch.partition)
        self._producer.flush()


def main() -> None:
    """Run until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bootstrap", "group", "inbox", "outputs", "state", "model"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--batch", type=int, default=10_000)
    args = parser.parse_args()
    app = Application(
        broker_address=args.bootstrap,
        consumer_group=args.group,
        auto_offset_reset="earliest",
        state_dir=args.state,
        loglevel="WARNING",
        commit_every=args.batch,
        producer_extra_config={"acks": "all", "linger.ms": 50, "batch.size": 262_144},
        consumer_extra_config={"fetch.message.max.bytes": 4 << 20},
    )
    inbox = app.topic(args.inbox, key_deserializer="bytes", value_deserializer="bytes")
    rows = app.dataframe(inbox).apply(on_event, stateful=True, metadata=True).filter(lambda folded: folded is not None)
    rows.sink(Assessments(app, args.outputs, Path(args.model)))
    app.run()


if __name__ == "__main__":
    main()
