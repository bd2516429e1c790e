"""What stands in the way of reading somebody's log is told with its place and its remedy, and nothing is changed silently."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from agents import mapping as mapping_module
from agents.dead_rows import dead_rows
from agents.eventlog import ReadReport, read_events
from agents.mapping import Layout
from agents.rejects import Rejects, check_any
from schemas.dead_letters import DeadLetter
from schemas.errors import MappingInvalid, RejectReason
from tests.unit.test_mapping import ROWS, shop, split, write

PROFILE = {"email": "{thing}", "owner": "{who}", "phone": "{price}"}
BUY = ROWS[1]


def text(tmp_path: Path, content: str, name: str = "a.csv", encoding: str = "utf-8") -> Path:
    """A file with this content."""
    path = tmp_path / name
    path.write_bytes(content.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("rows", "sent", "refused"),
    [
        ([ROWS[0]], {"owner": "1"}, [(2, "profile.email")]),
        ([ROWS[0] | {"thing": "a@shop.example.com", "price": "12"}], {"owner": "1", "email": "a@shop.example.com"}, [(2, "profile.phone")]),
        ([ROWS[0] | {"price": "12"}], {"owner": "1"}, [(2, "profile.email"), (2, "profile.phone")]),
        ([ROWS[0], ROWS[0]], {"owner": "1"}, [(2, "profile.email")]),
    ],
    ids=["one", "another", "two", "told once"],
)  # fmt: skip
def test_a_row_with_an_unusable_attribute_counts_without_it(
    tmp_path: Path, rows: list[dict[str, str]], sent: dict[str, str], refused: list[tuple[int, str]]
) -> None:
    """What happened happened; the attribute is reported, with the row's bytes, and dead-lettered."""
    report = ReadReport()
    path = write(tmp_path / "a.csv", rows)
    events, rejected = split(path, shop(profile=PROFILE), report)
    assert [e["type"] for e in events] == ["profile_updated", *["item_viewed"] * len(rows)]
    assert {k: v for k, v in events[0].items() if k in PROFILE} == sent
    assert sorted((r.line, r.field) for r in rejected) == refused
    assert all(
        r.partial and r.raw == path.read_bytes().splitlines()[1] and "went through" in r.remedy for r in rejected
    )
    assert (report.rejected.total(), report.fields_rejected.total()) == (0, len(refused))
    letters = [DeadLetter.from_headers(out.headers or []) for out in dead_rows(rejected, 4)]
    assert len({letter.id for letter in letters}) == len(refused)


def test_a_value_that_is_no_money_is_left_out_of_the_profile(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"thing": "much"}, ROWS[0] | {"thing": "-5"}, ROWS[0] | {"thing": "12.5"}]
    events, rejected = split(write(tmp_path / "a.csv", rows), shop(profile={"value": "{thing}"}))
    assert [e.get("value_cents") for e in events if e["type"] == "profile_updated"] == [1250]
    assert [(r.line, r.field) for r in rejected] == [(2, "profile.value"), (3, "profile.value")]
    assert sum(e["type"] == "item_viewed" for e in events) == 3


def test_a_row_that_is_refused_leaves_nothing_in_its_group_nor_a_closing(tmp_path: Path) -> None:
    """The second rule cannot use the row, so the first does not, either."""
    kinds = [
        {"event": "purchase_completed"},
        {"closes": "won"},
        {"event": "review_posted", "fields": {"stars": "{thing}"}},
    ]
    good, bad = BUY | {"thing": "4", "price": "1"}, BUY | {"thing": "many", "price": "7"}
    report = ReadReport()
    events, rejected = split(write(tmp_path / "a.csv", [bad, good]), shop(kinds=kinds, group={}), report)
    assert [(r.line, r.field) for r in rejected] == [(2, "stars")]
    assert sorted((e["type"], e.get("amount_cents")) for e in events) == [
        ("lead_closed", None), ("purchase_completed", 100), ("review_posted", None),
    ]  # fmt: skip
    assert report.events == {"lead_closed": 1, "purchase_completed": 1, "review_posted": 1}


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_gives_the_columns_of_the_mapping(tmp_path: Path, mark: str) -> None:
    head = f"who{mark}when{mark}what{mark}thing{mark}price"
    row = f'2{mark}2024-05-01 09:00:00{mark}buy{mark}"a,b;c|d\t"{mark}19.995'
    events, rejected = split(text(tmp_path, f"{head}\n{row}\n"), shop())
    assert not rejected
    assert [e["amount_cents"] for e in events] == [2000]
    bare = shop(file={"header": False, "columns": head.split(mark)})
    assert split(text(tmp_path, row), bare)[0][0]["amount_cents"] == 2000


def test_a_delimiter_that_the_mapping_states_wins(tmp_path: Path) -> None:
    path = text(tmp_path, "who;when;what,thing,price\n")
    with pytest.raises(MappingInvalid, match="it has who;when;what, thing, price"):
        list(read_events(path, shop(file={"delimiter": ","})))
    with pytest.raises(MappingInvalid, match="it has who, when, what,thing,price"):
        list(read_events(path, shop(file={"delimiter": ";"})))


@pytest.mark.parametrize(
    ("written", "told", "cents"),
    [
        ({}, "1234.5", 123_450),
        ({"thousands": ","}, "1,234.50", 123_450),
        ({"thousands": ","}, "-1,234,567", -123_456_700),
        ({"decimal": ",", "thousands": "."}, "1.234,50", 123_450),
        ({"decimal": ",", "thousands": " "}, "1\u202f234,5", 123_450),
        ({"thousands": "'"}, "1\u2019234.50", 123_450),
        ({"decimal": ","}, "12,5", 1_250),
        ({"thousands": ","}, "12.5", 1_250),
    ],
)
def test_amounts_as_they_are_written(tmp_path: Path, written: dict[str, str], told: str, cents: int) -> None:
    amount = {"column": "price", "negative": "refund_issued", **written}
    events, rejected = split(write(tmp_path / "a.jsonl", [BUY | {"price": told}]), shop(amount=amount))
    assert not rejected
    assert events[0]["amount_cents"] * (-1 if events[0]["type"] == "refund_issued" else 1) == cents


@pytest.mark.parametrize(
    ("written", "told", "remedy"),
    [
        ({}, "1,234.50", 'amount.thousands = ","'),
        ({}, "1,234", 'amount.decimal = ",", or amount.thousands = ","'),
        ({}, "12,50", 'amount.decimal = ","'),
        ({}, "1.234,50", 'amount.thousands = "." and amount.decimal = ","'),
        ({"decimal": ","}, "1.234", 'amount.decimal = ".", or amount.thousands = "."'),
        ({"thousands": ","}, "1,23", "no currency"),
        ({"thousands": ","}, "1,2345", "no currency"),
        ({}, "$12.00", "no currency"),
        ({}, "1e400", "correct the row"),
        ({}, "1e9999999999999999999", "correct the row"),
    ],
)
def test_amounts_that_may_mean_something_else_are_refused_not_guessed(
    tmp_path: Path, written: dict[str, str], told: str, remedy: str
) -> None:
    events, rejected = split(
        write(tmp_path / "a.jsonl", [BUY | {"price": told}]), shop(amount={"column": "price", **written})
    )
    assert not events
    assert [r.field for r in rejected] == ["price"]
    assert remedy in rejected[0].remedy
    assert "'" in rejected[0].message, "the value is shown"


def test_marks_of_numbers_hold_for_fields_and_the_profile_too(tmp_path: Path) -> None:
    mapping = shop(
        kinds=[{"event": "survey_answered", "fields": {"score": "{thing}"}}],
        amount={"column": "price", "decimal": ","}, profile={"value": "{price}"},
    )  # fmt: skip
    events, rejected = split(write(tmp_path / "a.jsonl", [ROWS[0] | {"thing": "0,25", "price": "9,5"}]), mapping)
    assert not rejected
    assert (events[0]["value_cents"], events[1]["score"]) == (950, 0.25)


def test_decimal_and_thousands_have_to_differ() -> None:
    with pytest.raises(MappingInvalid, match=r"amount: decimal and thousands are both '\.'"):
        shop(amount={"column": "price", "thousands": "."})


LATIN = "who,when,what,thing,price\n1,2024-05-01 10:00:00,view,lämp,\nÜ,2024-05-01 10:00:00,view,x,\n1,2024-05-01 10:00:00,ökk,x,\n"


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_another_encoding_is_told_with_its_remedy_and_read_when_named(tmp_path: Path, name: str) -> None:
    content = LATIN
    if name == "a.jsonl":
        content = '{"who": "1", "when": "2024-05-01 10:00:00", "what": "view", "thing": "lämp"}\n'
    path = text(tmp_path, content, name, "cp1252")
    events, rejected = split(path, shop())
    assert not events
    assert all("file.encoding" in r.remedy and r.message.isprintable() for r in rejected), rejected
    events, rejected = split(path, shop(file={"encoding": "cp1252"}))
    assert [e["item"] for e in events] == ["lämp"]
    assert not any("encoding" in r.remedy for r in rejected)


def test_a_column_name_in_another_encoding_is_told_with_the_remedy(tmp_path: Path) -> None:
    path = text(tmp_path, "who,when,what,größe,price\n", encoding="cp1252")
    with pytest.raises(MappingInvalid, match=r"gr\\xf6\\xdfe.*file\.encoding") as caught:
        list(read_events(path, shop()))
    assert str(caught.value).isprintable()


def test_utf_16_and_encodings_that_cut_no_lines_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MappingInvalid, match="is UTF-16: convert it first"):
        list(read_events(text(tmp_path, LATIN, encoding="utf-16"), shop()))
    for wrong in ("utf-16", "base64", "klingon"):
        with pytest.raises(MappingInvalid, match=rf"file\.encoding: '{wrong}' is not one of utf-8, cp1252"):
            shop(file={"encoding": wrong})


@pytest.mark.parametrize(
    ("change", "row", "field", "told", "remedy"),
    [
        ({}, {"who": "A B"}, "lead", "'CA B'", "letters (a-z), digits and _ . : @ + -"),
        ({"id": "thing"}, {"thing": "a b"}, "thing", "'a b'", "letters (a-z), digits"),
        ({}, {"when": "05/01/2024"}, "when", "'05/01/2024'", "set time.format"),
        ({"time": {"column": "when", "format": "%d.%m.%Y"}}, {}, "when", "time.format %d.%m.%Y: '2024", "time.format"),
        ({"time": {"column": "when", "format": "epoch_s"}}, {"when": "1714546800000"}, "when", "after 2099", "its unit"),
        ({"time": {"column": "when", "format": "epoch_s"}}, {"when": "1e500000000"}, "when", "epoch_s", "time.format"),
        ({}, {"what": "juggle"}, "what", "no rule for what = 'juggle'", "[[kinds]]"),
    ],
)  # fmt: skip
def test_a_cell_that_cannot_be_used_is_shown_with_its_remedy(
    tmp_path: Path, change: dict[str, Any], row: dict[str, str], field: str, told: str, remedy: str
) -> None:
    events, rejected = split(write(tmp_path / "a.csv", [ROWS[0] | row]), shop(**change))
    assert not events
    assert [r.field for r in rejected] == [field]
    assert told in rejected[0].message
    assert remedy in rejected[0].remedy


def test_a_time_format_that_is_no_pattern_is_refused() -> None:
    with pytest.raises(MappingInvalid, match=r"time\.format: 'YYYY-MM-DD' is not iso"):
        shop(time={"column": "when", "format": "YYYY-MM-DD"})


def test_pydantics_own_words_do_not_leak(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"price": "12", "thing": "lamp"}]
    _, rejected = split(write(tmp_path / "a.csv", rows), shop(profile=PROFILE))
    told = [r.message for r in rejected]
    for change in ({"time": {"column": "when", "zone": "Mars/Base"}}, {"kinds": [{"event": "flew"}]}):
        with pytest.raises(MappingInvalid) as caught:
            shop(**change)
        told.append(str(caught.value))
    assert len(told) == 4
    assert not [sentence for sentence in told if "Value error" in sentence]


def test_rejected_rows_are_counted_by_cause_and_written_down(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"when": f"day {n}"} for n in range(5)] + [ROWS[0] | {"what": "juggle"}]
    report = ReadReport()
    _, rejected = split(write(tmp_path / "a.csv", rows), shop(profile={"email": "{thing}"}), report)
    made: list[Path] = []

    def folder() -> Path:
        made.append(tmp_path)
        return tmp_path

    with Rejects(folder) as rejects:
        assert rejects.lines() == []
        assert not made, "no folder without something to write"
        for row in rejected:
            rejects.take(row)
    assert rejects.lines()[:2] == [
        "       5  when: is not a time in ISO 8601, like 'day 0'",
        f"          a.csv lines 2, 3, 4, …: {rejected[0].remedy}",
    ]
    assert rejects.lines()[2] == "       1  what: no rule for what = 'juggle'"
    assert (rejects.count(partial=False), rejects.count(partial=True)) == (6, 0)
    assert rejects.path is not None
    written = rejects.path.read_text().splitlines()
    assert len(written) == 6
    assert '"line": 7, "reason": "unknown_kind"' in written[-1]
    assert rows[-1]["thing"] in written[-1], "with the row"
    with pytest.raises(MappingInvalid, match="of 6 rows 6 rejected"):
        check_any(report, "shop", [tmp_path / "a.csv"])
    assert report.rejected == {RejectReason.BROKEN_ROW: 5, RejectReason.UNKNOWN_KIND: 1}


def documented() -> dict[str, set[str]]:
    """Section -> keys, from the head of agents/mapping.py; "" is the top level."""
    found: dict[str, set[str]] = {"": set()}
    section = ""
    for line in (mapping_module.__doc__ or "").splitlines():
        if head := re.match(r" {4}\[+(\w+)", line):
            section = head[1]
            found[section] = set()
        elif (key := re.match(r" {6}(\w+)\b", line)) or (key := re.match(r" {4}(\w+)\b", line)):
            found[section].add(key[1])
    return found


def sections() -> dict[str, set[str]]:
    """Section -> keys, from the model."""
    found: dict[str, set[str]] = {"": set()}
    for name, field in Layout.model_fields.items():
        candidates = [field.annotation, *get_args(field.annotation)]
        candidates += [inner for candidate in candidates for inner in get_args(candidate)]
        models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if models:
            found[name] = set(models[0].model_fields)
        elif name == "profile":
            found[name] = set()
        else:
            found[""].add(name)
    return found


def test_the_head_of_the_module_describes_every_key_and_no_other() -> None:
    assert documented() == sections()
