"""Durable form of a lead and of a partition, as kept on the changelog `lead.state`.

A lead: `[1, row bytes, record bytes | nil]`. A partition: a `PartitionState` under a key no
lead can have. `applied` is the last offset whose effects are all on the changelog; a lead's own guard covers the rest after a
crash in the middle of a round.
"""

import msgspec
import numpy as np

from schemas.errors import StateUnreadable
from streams.features import ROW, Rows
from streams.record import LeadRecord

VERSION = 1
PARTITION_KEY = b"@partition"
_RECORD_ENCODER = msgspec.msgpack.Encoder()
_RECORD_DECODER = msgspec.msgpack.Decoder(LeadRecord)
_LEAD_DECODER = msgspec.msgpack.Decoder(tuple[int, bytes, bytes | None])


_ZERO = _RECORD_ENCODER.encode((VERSION, bytes(ROW.itemsize), None))
_HEAD, _TAIL, _PLAIN = _ZERO[: _ZERO.index(bytes(ROW.itemsize))], _ZERO[-1:], len(_ZERO)
"""What msgpack puts around the row of a lead that has no record; it never changes, so it is not worked out each time."""


_WORD = 8
"""By as many bytes, or a multiple, may the row of a newer build be longer (streams/features.py)."""
NO_TICK = -1.0


class Rollout(msgspec.Struct, array_like=True, frozen=True):
    """A version that judges a share (0 to 1) of a tenant's leads."""

    version: str
    share: float


class PartitionState(msgspec.Struct, array_like=True):
    """What a partition remembers besides its leads."""

    version: int = VERSION
    applied: int = -1
    now: float = 0.0
    policy: str = ""
    model: str = ""
    acting: bool = True
    activated: float = 0.0
    """When the versions in force were ordered (stream time); 0: never."""
    spread: float = 0.0
    """Seconds from then on, over which every lead is looked at again."""
    ticked: float = 0.0
    """Stream time of the last tick since then; `NO_TICK`: none came yet."""
    policies: dict[str, Rollout] = {}
    """Policies that judge only some leads yet, by tenant; `*`: of every tenant without one of its own."""
    models: dict[str, Rollout] = {}
    """The same of models."""
    weights: str = ""
    """What was learned and is in force."""


_PARTITION_DECODER = msgspec.msgpack.Decoder(PartitionState)


def encode_record(record: LeadRecord) -> bytes:
    """A record as bytes; quiet leads keep only these in memory."""
    return _RECORD_ENCODER.encode(record)


def decode_record(data: bytes) -> LeadRecord:
    """The record from its bytes."""
    return _RECORD_DECODER.decode(data)


def encode_leads(rows: Rows, records: list[bytes | None]) -> list[bytes]:
    """Changelog values of these leads, in order."""
    size, blob, head, tail = ROW.itemsize, rows.tobytes(), _HEAD, _TAIL
    return [
        head + blob[i * size : (i + 1) * size] + tail
        if record is None
        else _RECORD_ENCODER.encode((VERSION, blob[i * size : (i + 1) * size], record))
        for i, record in enumerate(records)
    ]


def plain_row(value: bytes | None) -> bytes | None:
    """The row of a lead that has no record, as this version writes it; None for anything else."""
    if value is not None and len(value) == _PLAIN and value.startswith(_HEAD) and value.endswith(_TAIL):
        return value[len(_HEAD) : -len(_TAIL)]
    return None


def guard_of(row: bytes) -> int:
    """The guard in the bytes of a row."""
    return int.from_bytes(row[:8], "little", signed=True)


def decode_lead(value: bytes) -> tuple[np.void, bytes | None]:
    """Row and record bytes from a changelog value.

    A shorter row is from an older build: the fields appended since then are zero. A longer one is from a newer build, which was
    taken back: what this build does not know of is forgotten, as msgspec does with fields of records. What must not be forgotten
    raises `VERSION`. Raises StateUnreadable for another version and for what is no state.
    """
    try:
        version, row, record = _LEAD_DECODER.decode(value)
    except msgspec.DecodeError as error:
        raise StateUnreadable(f"not a state record: {error}") from error
    if version != VERSION or max(len(row) - ROW.itemsize, 0) % _WORD:
        raise StateUnreadable(f"state of version {version} with a row of {len(row)} bytes; this build reads {VERSION}")
    return np.frombuffer(row[: ROW.itemsize].ljust(ROW.itemsize, b"\0"), ROW)[0], record


def encode_partition(state: PartitionState) -> bytes:
    """Changelog value of the partition marker."""
    return _RECORD_ENCODER.encode(state)


def decode_partition(value: bytes) -> PartitionState:
    """The partition marker. Raises StateUnreadable when it is damaged."""
    try:
        state = _PARTITION_DECODER.decode(value)
    except msgspec.DecodeError as error:
        raise StateUnreadable(f"not a partition marker: {error}") from error
    if state.version != VERSION:
        raise StateUnreadable(f"a partition marker of version {state.version}; this build reads {VERSION}")
    return state
