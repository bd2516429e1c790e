"""Leads and partitions as bytes, and back."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from schemas.errors import StateUnreadable
from schemas.units import Channel
from streams.features import ROW
from streams.lead import Partition
from streams.record import Contact, Episode, Intervention, LeadRecord, OpenEscalation, Planned, Profile
from streams.state import (
    PARTITION_KEY,
    VERSION,
    PartitionState,
    decode_lead,
    decode_partition,
    decode_record,
    encode_leads,
    encode_partition,
    encode_record,
)  # fmt: skip

OFFSETS = {name: offset for name, (_, offset, *_) in (ROW.fields or {}).items()}


def _full_record() -> LeadRecord:
    return LeadRecord(
        profile=Profile(name="Ann", value_cents=5),
        consent={"all": False, "email": True},
        suppressed={Channel.EMAIL: "the address bounced"},
        episode=Episode(2, 1.5, 3, 0.75, held_out=True, planned=[Planned(1, "s", Channel.SMS, 1.0, 2.0, 3, "op")]),
        episodes=2,
        contacts=[Contact(1.25, Channel.PUSH)],
        interventions=[
            Intervention("i", 1.0, 2, 1, "s", Channel.EMAIL, held_out=False, cost_cents=0.01, withdrawn=True)
        ],
        escalations=[OpenEscalation("e", 1.0, 2, "lee", "why", acknowledged=True)],
        escalated=1,
        last_escalation=9.5,
        closed="won",
        closed_at=7.0,
        gone=True,
    )


def test_a_lead_survives_the_round_trip() -> None:
    """Row and record, to the byte; also a lead without a record."""
    rows = np.zeros(2, ROW)
    rows["guard"], rows["cents"], rows["ring"], rows["born"] = [5, -1], [12.5, 0], 2**64 - 1, 7
    record = encode_record(_full_record())
    values = encode_leads(rows, [record, None])
    for value, row, data in zip(values, rows, [record, None], strict=True):
        back, held = decode_lead(value)
        assert back.tobytes() == row.tobytes()
        assert held == data
    assert decode_record(record) == _full_record()


def test_older_shorter_rows_and_records_are_readable() -> None:
    """Fields are only ever appended: what an older version did not know is zero, or its default."""
    row = np.zeros(1, ROW)
    row["guard"], row["events"] = 9, 4
    shorter = row.tobytes()[: OFFSETS["born"]]
    back, _ = decode_lead(msgspec.msgpack.encode((VERSION, shorter, None)))
    assert (int(back["guard"]), int(back["events"]), int(back["born"])) == (9, 4, 0)
    fields = msgspec.msgpack.decode(encode_record(_full_record()))
    older = decode_record(msgspec.msgpack.encode(fields[: LeadRecord.__struct_fields__.index("closed")]))
    assert (older.escalated, older.closed, older.gone) == (1, "", False)
    marker = decode_partition(msgspec.msgpack.encode([1, 17, 2.5]))
    assert marker == PartitionState(1, 17, 2.5, "", "", acting=True)


def test_rows_from_before_journeys_were_features_are_read_back_as_they_were() -> None:
    """344 bytes, the last of them spare: nothing has moved, and what is new says that there is no such time."""
    assert ROW.itemsize % 8 == 0
    assert (OFFSETS["published"], OFFSETS["born"], OFFSETS["backward"], OFFSETS["stuck_from"]) == (328, 335, 343, 344)
    row = np.zeros(1, ROW)
    row["guard"], row["born"], row["published"], row["due"] = 9, 2**64 - 2, 0.5, 8.0
    partition = Partition(0)
    partition.restore([(b"acme:L1", msgspec.msgpack.encode((VERSION, row.tobytes()[:344], None)), 0)])
    assert partition.table.rows[0].tobytes() == row[0].tobytes()
    assert partition.table.due[0] == 8.0


def test_a_build_that_was_taken_back_forgets_what_the_newer_one_added() -> None:
    """Rows, records and markers of a newer build with more fields are read as far as this build knows them."""
    row = np.zeros(1, ROW)
    row["guard"], row["born"], row["published"], row["due"] = 9, 2**64 - 2, 0.5, 8.0
    data = encode_record(LeadRecord(closed="won"))
    longer = msgspec.msgpack.encode([*msgspec.msgpack.decode(data), "newer"])
    marker = msgspec.msgpack.encode([*msgspec.msgpack.decode(encode_partition(PartitionState(applied=9))), "newer"])
    partition = Partition(0)
    value = msgspec.msgpack.encode((VERSION, row.tobytes() + bytes(8), longer))
    partition.restore([(b"acme:L1", value, 0), (PARTITION_KEY, marker, 1)])
    assert partition.table.rows[0].tobytes() == row[0].tobytes()
    assert partition.state == PartitionState(applied=9)
    assert decode_record(decode_lead(value)[1] or b"") == LeadRecord(closed="won")


@pytest.mark.parametrize(
    "value",
    [
        b"", b"\xc1", b"not msgpack", msgspec.msgpack.encode([1]), msgspec.msgpack.encode({"v": 1}),
        msgspec.msgpack.encode((99, b"", None)), msgspec.msgpack.encode((VERSION, "text", None)),
        msgspec.msgpack.encode((VERSION, b"x" * (ROW.itemsize + 1), None)),
    ],
)  # fmt: skip
def test_damaged_state_stops(value: bytes) -> None:
    """Guessing would lose data: a typed error instead."""
    with pytest.raises(StateUnreadable):
        decode_lead(value)
    with pytest.raises(StateUnreadable):
        Partition(0).restore([(b"acme:L1", value, 0)])


def test_a_damaged_marker_stops() -> None:
    """The same for the partition's marker."""
    for value in (b"", b"\xc1", None, msgspec.msgpack.encode(["x"]), msgspec.msgpack.encode([VERSION + 1])):
        with pytest.raises(StateUnreadable):
            Partition(0).restore([(PARTITION_KEY, value, 0)])
    state = PartitionState(1, 17, 2.5, "2", "m", acting=False)
    assert decode_partition(encode_partition(state)) == state


def test_an_older_write_does_not_undo_a_newer_one() -> None:
    """The last write of a paused former owner may come after its successor's."""
    partition = Partition(0)
    rows = np.zeros(2, ROW)
    rows["guard"], rows["events"] = [5, 3], [50, 30]
    newer, older = encode_leads(rows, [None, None])
    partition.restore([(b"acme:L1", newer, 0), (b"acme:L1", older, 1)])
    assert int(partition.table.rows["events"][0]) == 50
    partition.restore([(b"acme:L1", older, 0)])
    assert int(partition.table.rows["events"][0]) == 50
    partition.restore([(PARTITION_KEY, encode_partition(PartitionState(applied=9)), 0)])
    partition.restore([(PARTITION_KEY, encode_partition(PartitionState(applied=4)), 0)])
    assert partition.state.applied == 9
    partition.restore([(b"acme:L1", None, 0)])
    partition.restore([(b"acme:L1", None, 0)])
    assert len(partition.table) == 0
