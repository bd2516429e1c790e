"""What producers are told of events, and what `leadkeeper send` lets through: just what a worker would take."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from agents.catalogue import EXAMPLES, catalogue
from agents.cli.main import app
from agents.sending import TOGETHER, Ready, ready, together, usable
from schemas.errors import Rejected, RejectReason
from schemas.events import EVENT, event_classes
from streams.features import RING
from streams.validate import parse

NOW = datetime(2026, 3, 1, tzinfo=UTC)
GOOD = {"type": "item_viewed", "id": "e1", "tenant": "acme", "lead": "L1", "at": "2026-02-28T09:00:00Z", "item": "x"}


def _line(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def _taken(
    lines: list[bytes], *, by_event_time: bool = False, history: bool = True
) -> tuple[list[Ready], list[tuple[int, RejectReason, str]]]:
    refused: list[tuple[int, RejectReason, str]] = []
    told = lambda n, why: refused.append((n, why.reason, why.field))  # noqa: E731
    found = list(usable(lines, told, by_event_time=by_event_time, history=history))
    return found, refused


def test_what_is_refused_is_told_with_its_line_and_the_others_go_through() -> None:
    found, refused = _taken(
        [
            b"\xef\xbb\xbf" + _line(),
            b"",
            b"{",
            _line(item=7),
            b"[]",
            _line(type="tick", partition=0),
            b"\xff",
            _line(id="e2") + b"\r\n",
        ]
    )
    assert [one.key for one in found] == [b"acme:L1"] * 2
    assert [json.loads(one.value)["id"] for one in found] == ["e1", "e2"]
    assert refused == [
        (3, RejectReason.NOT_JSON, "value"),
        (4, RejectReason.WRONG_TYPE, "item"),
        (5, RejectReason.NOT_AN_OBJECT, "value"),
        (6, RejectReason.INVALID_VALUE, "type"),
        (7, RejectReason.NOT_UTF8, "value"),
    ]


def test_what_has_yet_to_happen_is_refused_but_where_the_log_carries_its_own_time() -> None:
    ahead = _line(at="2090-01-01T00:00:00Z")
    assert _taken([ahead])[1] == [(1, RejectReason.IN_FUTURE, "at")]
    assert len(_taken([ahead], by_event_time=True)[0]) == 1
    assert _taken([_line(item="x" * 300_000)])[1] == [(1, RejectReason.INVALID_VALUE, "item")]


def test_history_is_sent_only_by_who_says_so() -> None:
    """It is judged as of today, event by event: a customer of this morning would look silent for a year on the way there."""
    recent = datetime.now(UTC).isoformat()
    lines = [_line(), _line(at=recent)]
    found, refused = _taken(lines, history=False)
    assert ([one.value for one in found], refused) == ([lines[1]], [(1, RejectReason.ANCIENT, "at")])
    assert len(_taken(lines)[0]) == len(_taken(lines, by_event_time=True, history=False)[0]) == 2


@given(st.lists(st.integers(0, 3), max_size=80))
def test_what_may_come_again_after_an_interruption_is_recognised(leads: list[int]) -> None:
    """Nothing is left out, the order stays, and no piece has more of a lead than its row remembers ids."""
    events = [Ready(b"acme:L%d" % lead, b"%d" % n, NOW) for n, lead in enumerate(leads)]
    pieces = list(together(events))
    assert [one for piece in pieces for one in piece] == events
    assert all(Counter(one.key for one in piece).most_common(1)[0][1] <= RING for piece in pieces)
    assert len(list(together(Ready(b"acme:L%d" % n, b"", NOW) for n in range(TOGETHER + 1)))) == 2


@given(st.sampled_from(sorted(EXAMPLES.glob("*.json"))), st.sampled_from(["at", "id", "lead", "tenant", "type", ""]))
def test_a_worker_takes_what_is_let_through_and_nothing_else(path: Path, without: str) -> None:
    """Of events about a lead: those about partitions and addresses have commands of their own."""
    body = {k: v for k, v in json.loads(path.read_text()).items() if k != without}
    value = json.dumps(body).encode()
    try:
        one = ready(value, NOW.replace(year=2027))
    except Rejected:
        names = event_classes().keys() - {"tick", "activate", "suppress_address", "release_address"}
        assert without or body["type"] not in names
        return
    event, _ = parse(one.key, one.value, 0)
    assert event == EVENT.validate_json(value)


def test_every_type_is_told_with_its_fields_and_an_example_that_is_valid() -> None:
    known = catalogue()
    assert known.keys() == event_classes().keys()
    for one in known.values():
        assert one.about.endswith("."), one.name
        assert EVENT.validate_python(dict(one.example), strict=False).type == one.name
        assert {f.name for f in one.fields if f.required} <= one.example.keys()
        assert not any("any value" in f.kind for f in one.fields), one.fields
    bought = {f.name: f for f in known["purchase_completed"].fields}
    assert bought["amount_cents"].required
    assert bought["amount_cents"].kind.startswith("whole number, 0 to ")
    assert bought["at"].kind == "time with an offset (ISO 8601)"


@pytest.mark.parametrize("words", [(), ("purchase_completed",), ("profile_updated",), ("trigger_intervention",)])
def test_it_reads_well_at_eighty_columns(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["events", *words], env={"COLUMNS": "80"})
    assert done.exit_code == 0
    about = [line for line in done.output.splitlines() if not line.startswith(("{", *words))]
    assert max(map(len, about)) <= 80
    assert "…" not in done.output


def test_a_misspelt_type_ends_with_66_and_the_nearest() -> None:
    done = CliRunner().invoke(app, ["events", "purchase_complted"])
    assert done.exit_code == 66
    assert "did you mean purchase_completed?" in done.output


def test_a_look_ends_with_one_and_names_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join([_line(), _line(item=None), _line(at="yesterday")]))
    done = CliRunner().invoke(app, ["send", str(file), "--check", "--history"])
    assert done.exit_code == 1
    assert f"{file}:2: item: Input should be a valid string; send text, in quotes" in done.output
    assert f"{file}:3: at: " in done.output
    assert "1 events may be sent; refused 2: " in done.output
    assert CliRunner().invoke(app, ["send", str(tmp_path / "none.jsonl")]).exit_code == 66
