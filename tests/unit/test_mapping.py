"""Somebody else's log becomes events: formats, clocks, money, groups, closings; what is wrong is told, never fatal."""

import gzip
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.eventlog import LoggedEvent, ReadReport, RejectedRow, read_events
from agents.mapping import Layout, load_mapping, parse_mapping
from schemas.errors import MappingInvalid, RejectReason
from schemas.events import EVENT

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
SHIPPED = ("bank_leads", "cdnow", "retail")
SHOP: dict[str, Any] = {
    "name": "shop",
    "lead": {"id": "C{who}"},
    "time": {"column": "when", "zone": "Europe/Berlin"},
    "kinds": [
        {"when": {"what": "view"}, "event": "item_viewed", "fields": {"item": "{thing}"}},
        {"when": {"what": ["buy", "order"]}, "event": "purchase_completed"},
        {"when": {"what": "left"}, "event": "custom", "kind": "left", "closes": "churned"},
        {"when": {"what": "ping"}, "skip": True},
    ],
    "amount": {"column": "price", "negative": "refund_issued"},
}
ROWS = [
    {"who": "1", "when": "2024-05-01 10:00:00", "what": "view", "thing": "lamp", "price": ""},
    {"who": "2", "when": "2024-05-01 09:00:00", "what": "buy", "thing": "", "price": "19.995"},
    {"who": "1", "when": "2024-05-01 12:00:00+00:00", "what": "order", "thing": "", "price": "-3.10"},
    {"who": "1", "when": "2024-05-02 08:00:00", "what": "ping", "thing": "", "price": ""},
    {"who": "1", "when": "2024-05-03 08:00:00", "what": "left", "thing": "", "price": ""},
]


def shop(**changes: Any) -> Layout:
    """The mapping above, with other sections."""
    return parse_mapping(SHOP | changes, "test")


def split(
    files: Path | Sequence[Path], mapping: Layout, report: ReadReport | None = None
) -> tuple[list[dict[str, Any]], list[RejectedRow]]:
    """Events as dictionaries (each checked against the schema), and rejected rows."""
    events: list[dict[str, Any]] = []
    rejected: list[RejectedRow] = []
    for found in read_events(files, mapping, report):
        if isinstance(found, LoggedEvent):
            body = EVENT.validate_json(found.value)
            told = json.loads(found.value)
            assert found.key == f"{told['tenant']}:{told['lead']}".encode()
            assert found.at_ms == round(body.at.timestamp() * 1000)
            events.append(told)
        else:
            rejected.append(found)
    return events, rejected


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows in the format that the name says."""
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    columns = list(rows[0])
    if plain.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), plain)
        data = plain.read_bytes()
    elif plain.suffix == ".jsonl":
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    else:
        mark = "\t" if plain.suffix == ".tsv" else ","
        lines = [columns, *([row[c] for c in columns] for row in rows)]
        data = "\r\n".join(mark.join(line) for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz", "a.jsonl.gz", "a.parquet.gz"])
def test_every_format_gives_the_same_events(tmp_path: Path, name: str) -> None:
    report = ReadReport()
    events, rejected = split(write(tmp_path / name, ROWS), shop(), report)
    assert not rejected
    told = [(e["lead"], e["at"], e["type"], e.get("amount_cents"), e.get("item")) for e in events]
    assert told == [
        ("C2", "2024-05-01T07:00:00.000Z", "purchase_completed", 2000, None),  # half a cent is rounded up
        ("C1", "2024-05-01T08:00:00.000Z", "item_viewed", None, "lamp"),
        ("C1", "2024-05-01T12:00:00.000Z", "refund_issued", 310, None),
        ("C1", "2024-05-03T06:00:00.000Z", "custom", None, None),
        ("C1", "2024-05-03T06:00:00.000Z", "lead_closed", None, None),
    ]
    assert events[-1]["outcome"] == "churned"
    assert (report.rows, report.leads, report.skipped.total(), sum(report.events.values())) == (5, 2, 1, 5)
    assert (report.first_ms, report.last_ms) == (1_714_546_800_000, 1_714_716_000_000)


def test_reading_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ROWS)
    assert list(read_events(path, shop())) == list(read_events(path, shop()))


def test_a_broken_file_is_told_line_by_line_and_never_fatal() -> None:
    report = ReadReport()
    events, rejected = split(FIXTURES / "shop_broken.csv", shop(), report)
    told = {r.line: (r.reason, r.field) for r in rejected}
    assert told == {
        3: (RejectReason.BROKEN_ROW, "when"),
        4: (RejectReason.UNKNOWN_KIND, "what"),
        5: (RejectReason.BROKEN_ROW, "row"),
        6: (RejectReason.BROKEN_ROW, "price"),
        7: (RejectReason.BROKEN_ROW, "lead"),
        8: (RejectReason.BROKEN_ROW, "lead"),
        9: (RejectReason.BROKEN_ROW, "when"),
        10: (RejectReason.BROKEN_ROW, "item"),
        11: (RejectReason.BROKEN_ROW, "price"),
    }
    lines = (FIXTURES / "shop_broken.csv").read_bytes().splitlines()
    assert all(r.raw == lines[r.line - 1] and r.message and r.remedy for r in rejected)
    assert [(e["lead"], e["type"]) for e in events] == [("C1", "item_viewed"), ("C9", "purchase_completed")]
    assert report.rejected.total() == 9
    assert report.rows == 11


def test_broken_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = json.dumps({"who": 7, "when": 1_700_000_000, "what": "view", "thing": "x"})
    path.write_bytes(f"{good}\n{{oops\n[1]\n\n{'[' * 100_000}\n{good}\n".encode() + b'{"who": "\xff"}\n')
    mapping = shop(time={"column": "when", "format": "epoch_s"})
    events, rejected = split(path, mapping)
    assert [r.line for r in rejected] == [2, 3, 5, 7]
    assert {r.reason for r in rejected} == {RejectReason.BROKEN_ROW}
    assert [(e["lead"], e["id"]) for e in events] == [("C7", "r1"), ("C7", "r6")]


def test_a_file_cut_short_gives_what_is_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv.gz", ROWS * 2000)
    path.write_bytes(path.read_bytes()[:-200])
    events, rejected = split(path, shop())
    assert len(events) > 100
    assert [r.field for r in rejected if "cannot be read further" in r.message] == ["row"]


def test_clock_changes(tmp_path: Path) -> None:
    """In Berlin 02:30 does not exist on 2024-03-31 and is twice on 2024-10-27."""
    days = [
        "2024-03-31 01:59:00",
        "2024-03-31 02:30:00",
        "2024-03-31 03:30:00",
        "2024-10-27 02:30:00",
        "2024-10-27 03:30:00",
    ]
    rows = [ROWS[0] | {"when": day} for day in days]
    events, _ = split(write(tmp_path / "a.csv", rows), shop())
    hours = [e["at"][5:16] for e in events]
    assert hours == ["03-31T00:59", "03-31T01:30", "03-31T01:30", "10-27T00:30", "10-27T02:30"]


def test_a_date_happens_at_the_hour_of_the_mapping(tmp_path: Path) -> None:
    mapping = shop(time={"column": "when", "format": "%Y%m%d", "zone": "America/New_York", "hour": "12:00"})
    rows = [ROWS[0] | {"when": "19970101"}, ROWS[0] | {"when": "19970701"}]
    events, _ = split(write(tmp_path / "a.csv", rows), mapping)
    assert [e["at"] for e in events] == ["1997-01-01T17:00:00.000Z", "1997-07-01T16:00:00.000Z"]


def test_equal_times_keep_the_order_of_the_file(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"who": str(i % 7), "thing": f"i{i}"} for i in range(500)]
    events, _ = split(write(tmp_path / "a.csv", rows), shop())
    assert [e["item"] for e in events] == [f"i{i}" for i in range(500)]


def test_lines_of_an_invoice_are_one_purchase_also_across_two_files(tmp_path: Path) -> None:
    mapping = shop(
        kinds=[{"event": "purchase_completed"}],
        amount={"column": "price", "times": "count", "negative": "refund_issued"},
        group={},
        lead={"id": "{who}", "missing": "skip"},
    )
    line = {"who": "1", "when": "2024-05-01 10:00:00", "count": "3", "price": "0.335"}
    rows = [
        line, line | {"count": "1", "price": "1"}, line | {"count": "-2", "price": "1.50"},
        line | {"when": "2024-05-01 10:01:00"}, line | {"who": ""}, line | {"who": "2"},
    ]  # fmt: skip
    report = ReadReport()
    twice = [write(tmp_path / "a.csv", rows), write(tmp_path / "b.csv", [*rows[:3], line | {"who": "3"}])]
    events, rejected = split(twice, mapping, report)
    assert not rejected
    assert [(e["lead"], e["type"], e["amount_cents"]) for e in events] == [
        ("1", "purchase_completed", 201), ("1", "refund_issued", 300), ("2", "purchase_completed", 101),
        ("3", "purchase_completed", 101), ("1", "purchase_completed", 101),
    ]  # fmt: skip
    assert report.skipped == {"no lead id": 1, "group already in an earlier file": 2}
    assert len({e["id"] for e in events}) == 5


def test_what_is_known_of_a_lead_is_told_first_and_when_it_changes(tmp_path: Path) -> None:
    profile = {"email": "{who}@shop.example.com", "owner": "{thing}", "value": "{price}", "timezone": "Europe/Berlin"}
    rows = [ROWS[0] | {"price": "5"}, ROWS[0] | {"price": "5"}, ROWS[0] | {"thing": "desk"}]
    events, _ = split(write(tmp_path / "a.csv", rows), shop(profile=profile))
    told = [
        (e["id"], e.get("email"), e.get("owner"), e.get("value_cents"))
        for e in events
        if e["type"] == "profile_updated"
    ]
    assert told == [("r2.p", "1@shop.example.com", "lamp", 500), ("r4.p", None, "desk", None)]
    assert [e["type"] for e in events][:2] == ["profile_updated", "item_viewed"]


def test_a_nested_field_and_a_number_field(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"user": {"id": 5}, "ts": "2024-05-01T10:00:00Z", "grade": "0.25", "stars": "4"}\n')
    mapping = parse_mapping(
        {
            "name": "polls", "lead": {"id": "{user.id}"}, "time": {"column": "ts"},
            "kinds": [{"event": "survey_answered", "fields": {"score": "{grade}"}},
                      {"event": "review_posted", "fields": {"stars": "{stars}"}}],
        },
        "test",
    )  # fmt: skip
    events, rejected = split(path, mapping)
    assert not rejected
    assert [(e["id"], e.get("score"), e.get("stars")) for e in events] == [("r1", 0.25, None), ("r1.1", None, 4)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"colour": 1}, "colour"),
        ({"time": {"column": "when", "zone": "Mars/Base"}}, "time.zone"),
        ({"time": {"column": "when", "houre": "1"}}, "time.houre"),
        ({"kinds": []}, "kinds"),
        ({"kinds": [{"event": "flew"}]}, "flew"),
        ({"kinds": [{"event": "tick"}]}, "tick"),
        ({"kinds": [{"event": "custom"}]}, "kind"),
        ({"kinds": [{"event": "item_viewed"}]}, "item"),
        ({"kinds": [{"event": "page_viewed", "fields": {"item": "x"}}]}, "item"),
        ({"kinds": [{}]}, "kinds.0"),
        ({"amount": None}, "amount"),
        ({"profile": {"shoe": "{who}"}}, "shoe"),
        ({"file": {"header": False}}, "columns"),
        ({"label": {"horizon_days": 0}}, "label.horizon_days"),
        ({"vocabulary": {"left": {"family": "sadness", "key": True}}}, "vocabulary.left.family"),
        ({"id": "x", "group": {}}, "group"),
    ],
)
def test_a_wrong_mapping_is_refused_by_the_name_of_its_key(change: dict[str, Any], told: str) -> None:
    with pytest.raises(MappingInvalid, match=told.replace(".", r"\.")) as caught:
        shop(**change)
    assert str(caught.value).startswith("test is not a valid mapping")


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [{"who": "1", "when": "2024-05-01", "what": "view"}])
    with pytest.raises(MappingInvalid, match=r"no column '(thing|price)'.*it has who, when, what"):
        list(read_events(path, shop()))


@pytest.mark.parametrize("name", ["none.csv", "none.parquet", "none.xyz"])
def test_a_file_that_is_not_there_or_of_no_known_kind(tmp_path: Path, name: str) -> None:
    with pytest.raises(MappingInvalid, match="none"):
        list(read_events(tmp_path / name, shop()))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_mappings_are_valid_and_name_their_custom_kinds(name: str) -> None:
    mapping = load_mapping(name)
    assert mapping.name == name
    assert {rule.kind for rule in mapping.kinds if rule.kind} <= set(mapping.vocabulary)


def test_an_unknown_mapping_is_told_with_those_that_are_shipped() -> None:
    with pytest.raises(MappingInvalid, match="cdnow"):
        load_mapping("nowhere")


def test_the_bank_log_in_small() -> None:
    events, rejected = split(FIXTURES / "bank_small.csv", load_mapping("bank_leads"))
    assert [(r.line, r.reason) for r in rejected] == [(9, RejectReason.UNKNOWN_KIND)]
    kinds = [e.get("kind") or f"{e['type']}:{e.get('outcome', '')}" for e in events]
    assert kinds == [
        "profile_updated:", "applied", "chased", "offer_sent_back", "accepted", "lead_closed:won", "accepted",
        "profile_updated:", "applied", "cancelled", "lead_closed:churned",
    ]  # fmt: skip
    assert events[0]["value_cents"] == 1_500_050
    assert datetime.fromisoformat(events[1]["at"]).microsecond == 546_000
