"""Policies as files: what is wrong with one, in which line, and what to do; what differs; stories that do not hold."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.policyfile.check import check_policy
from agents.policyfile.lines import Lines
from agents.policyfile.tell import differences
from agents.policyfile.texts import ADDED, SAMPLE
from agents.policyfile.trial import try_stories
from schemas.errors import PolicyInvalid
from tests.unit.lives import Life
from tests.worlds import POLICY_FILE, ROOT, policy

TEMPLATES = ROOT / "deploy" / "templates"
SMALL = """# a comment
name = "small"
version = "1"

[channels.email]
contacts_lead = true

[caps]
max_per_day = 1

[[playbooks.early_warning.steps]]
name = "a_note"
action = "market_update"
channel = "email"
template = "early_warning.email"
cost_cents = 6
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    """What `policy check` says of a text."""
    file = tmp_path / "p.toml"
    file.write_text(text)
    _, found = check_policy(file, TEMPLATES)
    return [f"{line}: {finding}" for line, finding in found]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[caps]", "[cap]", "8: cap: unknown key; did you mean caps?"),
        ("max_per_day = 1", "max_per_dya = 1", "9: caps.max_per_dya: unknown key; did you mean max_per_day?"),
        ("max_per_day = 1", "max_per_day = -1", "9: caps.max_per_day: -1 is not possible; input should be greater than"),
        ("max_per_day = 1", "zzz = 1", "9: caps.zzz: unknown key; there are max_per_day, max_per_week, cooldown_hours"),
        ('channel = "email"', 'channel = "fax"', "14: playbooks.early_warning.steps.0.channel: 'fax' is not possible; write"),
        ('channel = "email"', 'channel = "sms"', "14: playbooks.early_warning.steps.0.channel: step a_note uses sms, which"),
        ('action = "market_update"\n', "", "11: playbooks.early_warning.steps.0.action: is missing; add action = … there"),
        ("early_warning.email", "early_warming.email", "15: playbooks.early_warning.steps.0.template: template file early_"),
        ("[caps]", "[budget]\nper_day_cents = 5\n[caps]", "18: playbooks.early_warning.steps.0.cost_cents: step a_note can"),
        ("max_per_day = 1", "max_per_day = 0", "14: playbooks.early_warning.steps.0.channel: step a_note can never go out"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_a_line_and_a_remedy(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert problems(tmp_path, SMALL) == []
    assert old in SMALL
    (found,) = problems(tmp_path, SMALL.replace(old, new))
    assert found.startswith(said)


def test_a_file_that_is_no_toml_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match=r"p.toml: .*line 3"):
        problems(tmp_path, 'name = "x"\nversion = "1"\nname\n')


@pytest.mark.parametrize("path", sorted((ROOT / "deploy" / "policies").glob("*.toml")), ids=lambda p: p.stem)
def test_every_shipped_policy_passes_its_check(path: Path) -> None:
    assert check_policy(path, TEMPLATES)[1] == []


def test_the_sample_for_templates_is_what_commands_send() -> None:
    """A template that uses a variable of the sample gets it from each command."""
    life = Life()
    life.grow_silent(14)
    (sent,) = [t["variables"] for t in life.told if t["type"] == "deliver_intervention"]
    assert set(sent) == set(SAMPLE)
    assert not set(SAMPLE) & {name for added in ADDED.values() for name in added}


NAMES = st.sampled_from(["a", "b", "c d", "e.f"])
VALUES = st.sampled_from(["1", '"x"', '"""\nlong\n[not a table]\n"""', "[\n  1,\n  2,\n]", "{ k = 1, l = { m = 2 } }"])


@given(
    keys=st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=6, unique_by=lambda k: k[0]), tables=st.integers(0, 4)
)
def test_lines_are_those_of_the_text(keys: list[tuple[str, str]], tables: int) -> None:
    """Whatever stands before a key: comments, empty lines, strings and arrays over many lines, other tables."""
    text, expected = "", {}
    for table in range(-1, tables):
        text += "" if table < 0 else "# a [comment]\n\n[[t.'of things']]\n"
        for name, value in keys:
            place = (name,) if table < 0 else ("t", "of things", table, name)
            expected[place] = text.count("\n") + 1
            text += f"'{name}' = {value}\n"
    assert tomllib.loads(text)
    lines = Lines(text)
    assert {place: lines.of(place) for place in expected} == expected
    assert {lines.of((*place, "unknown")) for place in expected} == set(expected.values())


def test_differences_name_steps_and_defaults() -> None:
    base = policy()
    raw: dict[str, Any] = tomllib.loads(POLICY_FILE.read_text())["playbooks"]["early_warning"]["steps"][0]
    new = policy({"playbooks": {"early_warning": {"steps": [{**raw, "within_hours": 9}]}}, "caps": {"max_per_day": 2}})
    assert [tuple(d) for d in differences(base, new)] == [
        ("caps.max_per_day", 1, 2),
        ("playbooks.early_warning.steps.gentle_note.within_hours", 72.0, 9.0),
    ]
    assert differences(base, base) == []


def test_a_story_that_does_not_hold_says_what_differs(tmp_path: Path) -> None:
    story = (ROOT / "tests" / "stories" / "forgotten_after_closing.toml").read_text()
    wrong, broken = tmp_path / "wrong.toml", tmp_path / "broken.toml"
    wrong.write_text(story.replace("remaining = []", 'remaining = ["acme:L9"]'))
    assert [t.differences for t in try_stories(POLICY_FILE, [wrong])] == [["- remaining: acme:L9"]]
    broken.write_text(story.replace('event = "lead_closed"', 'event = "lead_clsoed"'))
    with pytest.raises(PolicyInvalid, match=r"broken.toml: story .* cannot be told: .*lead_clsoed"):
        list(try_stories(POLICY_FILE, [broken]))
