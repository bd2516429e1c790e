"""What is written down only after a lead was lost is flagged; what merely comes in late is not."""

import json
from datetime import datetime
from io import StringIO
from pathlib import Path

import numpy as np
from rich.console import Console

from agents.eventlog import ReadReport
from agents.logged import LoggedEvent
from agents.mapping import parse_mapping
from agents.snapshots import ActivityLog
from agents.train import read_log, train
from agents.tryout.feed import Line
from agents.tryout.learn import learn
from agents.tryout.plan import Plan
from streams.features import DAY
from tests.planted import DAYS, LABEL, POLICY, START, message, planted_log

EVENTS = planted_log()


def _known(event: LoggedEvent, days: float) -> LoggedEvent:
    return event._replace(timestamp_ms=event.at_ms + round(days * DAY * 1000))


def _with_goodbyes(days_late: float) -> list[LoggedEvent]:
    """Of each lead that left: a cancellation, dated back to its last purchase, and written down so many days later."""
    last: dict[bytes, LoggedEvent] = {}
    for event in EVENTS:
        if b'"purchase_completed"' in event.value:
            last[event.key] = event
    out = [_known(event, 0.0) for event in EVENTS]
    for n, event in enumerate(last.values()):
        at = (event.at_ms / 1000 - START.timestamp()) / DAY
        if at < DAYS - 90:
            lead = int(event.key.decode().rpartition("L")[2])
            out.append(_known(message(lead, at + 0.001, "subscription_cancelled", 900_000 + n), days_late))
    return sorted(out, key=lambda e: e.at_ms)


def test_what_is_dated_back_after_the_loss_is_flagged() -> None:
    flags = train(ActivityLog.read(_with_goodbyes(60.0), POLICY), LABEL, name="planted").manifest.flags
    assert any(flag.startswith("days_since_trouble is known only after the label") for flag in flags), flags
    assert not any("silent_days" in flag for flag in flags), "purchases were known at once"


def test_what_comes_in_late_whatever_came_of_the_lead_is_not() -> None:
    rng = np.random.default_rng(3)
    late = [_known(event, float(rng.exponential(0.5))) for event in EVENTS]
    log = ActivityLog.read(late, POLICY)
    assert log.written_late.any()
    assert not train(log, LABEL, name="planted").manifest.flags
    assert not ActivityLog.read(EVENTS, POLICY).written_late.any()


def test_hindsight_knows_what_was_written_later_and_nothing_that_happened_later() -> None:
    log = ActivityLog.read(_with_goodbyes(60.0), POLICY)
    t = START.timestamp() + 150 * DAY
    (shot,) = log.snapshots([t], LABEL)
    later = log.in_hindsight(t, shot.leads)
    assert not np.array_equal(shot.x, later, equal_nan=True)
    cut = ActivityLog.read([e for e in _with_goodbyes(60.0) if e.at_ms / 1000 < t], POLICY)
    places = [cut.keys.index(log.keys[i]) for i in shot.leads.tolist()]
    assert np.array_equal(cut.in_hindsight(t, np.array(places)), later, equal_nan=True)


def test_a_tryout_says_what_gives_the_answer_away(tmp_path: Path) -> None:
    """It trains and judges by itself, without anybody who promotes."""
    layout = parse_mapping(
        {"name": "m", "lead": {"id": "{who}"}, "time": {"column": "at"}, "kinds": [{"event": "page_viewed"}]}, "m"
    ).model_copy(update={"label": LABEL})
    lines = [Line(event.at_ms, event.key, event.value) for event in _with_goodbyes(0.0)]
    cut, end = START.timestamp() + 240 * DAY, START.timestamp() + DAYS * DAY
    plan = Plan([], layout, POLICY, lines, [], ReadReport(), cut, end, made_up_contacts=False)
    told = Console(file=StringIO(), width=80)
    version, quality = learn(told, plan, tmp_path)
    assert (tmp_path / version).is_dir()
    assert quality is not None
    assert isinstance(told.file, StringIO)
    assert "It may have seen the answer: " in told.file.getvalue()


def test_a_mapping_names_the_column_of_writing(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(
        "who,at,written\na,2024-01-01T10:00:00Z,2024-01-05T10:00:00Z\na,2024-01-02T10:00:00Z,2024-01-02T10:00:00Z\n"
    )
    layout = parse_mapping(
        {
            "name": "m", "lead": {"id": "{who}"}, "time": {"column": "at", "known": "written"},
            "kinds": [{"event": "page_viewed"}],
        },
        "m",
    )  # fmt: skip
    read = read_log(log, layout, POLICY)
    assert [datetime.fromisoformat(t).timestamp() for t in ("2024-01-02T10:00:00Z", "2024-01-05T10:00:00Z")] == list(
        read.seen
    )
    assert read.written_late.tolist() == [False, True]
    assert json.dumps(layout.columns()).count("written") == 1
