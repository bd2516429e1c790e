"""What commands say where something is missing, misspelt or too long: the name, and what to write instead."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from agents.cli import common
from agents.cli.lead import print_story
from agents.cli.main import app
from agents.cli.model import untold_in_words
from agents.mapping import parse_mapping
from agents.snapshots import ActivityLog
from agents.timeline import Entry
from schemas.errors import FileMissing, MappingInvalid, PolicyInvalid, PolicyMissing, Unavailable
from tests.planted import message as event
from tests.worlds import POLICY_FILE, policy

NOWHERE = "no/such/file"


def said(*words: str) -> tuple[int, str]:
    """How a command ends, and all it says, without line breaks and frames."""
    done = CliRunner().invoke(app, words, prog_name="leadkeeper", env={"COLUMNS": "200"})
    return done.exit_code, re.sub(r"[\s│]+", " ", done.output)


@pytest.mark.parametrize(
    "words",
    [
        ("policy", "check", NOWHERE), ("policy", "show", NOWHERE), ("policy", "diff", str(POLICY_FILE), NOWHERE),
        ("policy", "test", str(POLICY_FILE), "--stories", NOWHERE), ("policy", "publish", NOWHERE),
        ("policy", "activate", NOWHERE), ("replay", NOWHERE, "--mapping", "cdnow"), ("train", NOWHERE, "--mapping", "cdnow"),
        ("replay", str(POLICY_FILE), "--mapping", NOWHERE), ("simulate", "--policy", NOWHERE, "--from-log", str(POLICY_FILE)),
        ("simulate", "--policy", str(POLICY_FILE), "--from-log", NOWHERE), ("score", NOWHERE, "--model", "t-x"),
        ("model", "agree", NOWHERE, "--mapping", "cdnow"), ("send", NOWHERE), ("train", NOWHERE, "--mapping", "telco", "--snapshot"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_file_that_is_not_there_ends_with_66_in_every_command(words: tuple[str, ...]) -> None:
    code, text = said(*words)
    assert code == 66, text
    assert NOWHERE in text


def test_a_missing_file_is_told_from_a_wrong_one() -> None:
    assert common.code_of(PolicyMissing("x")) == common.NOT_FOUND
    assert common.code_of(PolicyInvalid("x")) == common.CONFIG
    assert common.code_of(Unavailable("x")) == common.UNAVAILABLE
    assert issubclass(PolicyMissing, FileMissing)


def test_a_wrong_time_is_answered_with_an_example() -> None:
    order = ("order", "snooze", "acme", "L1", "--by", "kim", "--reason", "away", "--until")
    code, text = said(*order, "tomorrow")
    assert code == 2, "which `run` makes 64"
    assert "'tomorrow' is no day and no time: write one (UTC), like 2026-12-01 or 2026-12-01T09:00" in text


def test_activate_and_restore_point_to_each_other() -> None:
    assert "`leadkeeper policy restore 7`" in said("policy", "activate", "7")[1]
    code, text = said("policy", "restore", str(POLICY_FILE))
    assert code == 64
    assert f"`leadkeeper policy activate {POLICY_FILE}`" in text


def test_a_wrong_field_of_a_mapping_is_answered_with_those_there_are() -> None:
    kind: dict[str, Any] = {"event": "page_viewed", "fields": {"ulr": "{x}"}}
    raw = {"name": "m", "lead": {"id": "{who}"}, "time": {"column": "when"}, "kinds": [kind]}
    with pytest.raises(MappingInvalid, match="page_viewed has no ulr to set; it has seconds, url"):
        parse_mapping(raw, "m.toml")
    with pytest.raises(MappingInvalid, match=r"kinds\.0\.evnt: unknown key; did you mean event\?"):
        parse_mapping(raw | {"kinds": [{"evnt": "page_viewed"}]}, "m.toml")
    with pytest.raises(MappingInvalid, match="unknown key; there are when, event, kind, fields, closes, skip"):
        parse_mapping(raw | {"kinds": [{"event": "page_viewed", "zzz": 1}]}, "m.toml")


def test_kinds_that_no_vocabulary_describes_are_counted_and_named() -> None:
    viewed = [event(1, day, "item_viewed", day, item="x") for day in range(4)]
    kinds = ("tasted", "smelled", "tasted", "viewing_booked")
    strange = [
        one._replace(value=one.value.replace(b'"item_viewed"', f'"custom", "kind": "{kind}"'.encode()))
        for one, kind in zip(viewed, kinds, strict=True)
    ]
    assert untold_in_words(ActivityLog.read(viewed, policy()).untold) == ""
    assert ActivityLog.read(strange, policy()).untold == {"tasted": 2, "smelled": 1}
    text = untold_in_words({"tasted": 3, "smelled": 1_200, **{f"k{n}": 1 for n in range(9)}})
    assert text.startswith(
        "1,212 events are of kinds that no vocabulary describes, and count as no sign of life: smelled 1,200, tasted 3, k0 1"
    )
    assert " and 3 more. Describe each under [vocabulary.smelled]" in text


def test_parts_of_a_story_stand_in_the_same_columns(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    tale = [Entry(at + timedelta(days=n), kind, "something", 0) for n, kind in enumerate(("risk", "escalation"))]
    for entry in tale:
        print_story([entry])
    columns = [line.index("something") for line in capsys.readouterr().out.splitlines()]
    assert columns[0] == columns[1]
