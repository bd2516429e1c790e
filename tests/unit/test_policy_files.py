"""Policies as files: what is wrong with one, in which line, and what to do; what differs; stories that do not hold."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.library import policies_of
from agents.policyfile.check import check_policy
from agents.policyfile.lines import Lines
from agents.policyfile.read import in_words, read_policy
from agents.policyfile.tell import differences
from agents.policyfile.texts import ADDED, SAMPLE
from agents.policyfile.trial import try_stories
from agents.settings import LeadSettings
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


TWO_STEPS = (
    SMALL.replace("[[playbooks", "[playbooks.early_warning]\nstop_on = []\n[[playbooks")
    + """
[[playbooks.early_warning.steps]]
name = "next"
action = "market_update"
channel = "email"
template = "early_warning.email"
after = { step = "a_note", on = ["opened"] }
"""
)
CAMPAIGN = """
[campaigns.yearly]
trigger = { type = "anniversary", kind = "purchase_completed", after_days = 300, within_days = 10 }
steps = [{ name = "say", action = "market_update", channel = "email", template = "early_warning.email", delay_hours = 24 }]
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('on = ["opened"]', 'on = ["opened"], within_hours = 9000', ""),
        ('on = ["opened"]', 'unless = ["opened"], within_hours = 4319', ""),
        (
            'on = ["opened"]', 'unless = ["opened"], within_hours = 4320',
            "25: playbooks.early_warning.steps.1.after.within_hours: step next begins 4,320 h after the beginning or later",
        ),
        ("cost_cents = 6", "delay_hours = 4320", "18: playbooks.early_warning.steps.0.delay_hours: step a_note begins 4,320 h"),
        ("stop_on = []", "hand_on_after_hours = 2160", "12: playbooks.early_warning.hand_on_after_hours: hands on after 2,160 h; by"),
        ("stop_on = []", "hand_on_after_hours = 2159", ""),
        ('on = ["opened"]', 'unless = ["sent", "opened", "held"]', "25: playbooks.early_warning.steps.1.after.unless: step next"),
        ('on = ["opened"]', 'unless = ["sent"]', ""),
        ('on = ["opened"]', 'on = ["purchase_completed"]', "25: playbooks.early_warning.steps.1.after.on: step next waits for"),
        ("delay_hours = 24", "delay_hours = 240", "29: campaigns.yearly.steps.0.delay_hours: step say begins 240 h after"),
        ('version = "1"', 'version = ""', "3: version: is empty; write what tells it from others"),
        ('name = "small"', 'name = ""', "2: name: is empty; write"),
        ('name = "small"', 'name = "Real Estate"', "2: name: 'Real Estate' cannot be part of an id; write what tells it from"),
        ('version = "1"', 'version = "1 b"', "3: version: '1 b' cannot be part of an id; write what tells it from others, like"),
        ("[caps]", "[episodes]\nexpires_after_days = 0\n[caps]", "9: episodes.expires_after_days: 0 is not possible; input should"),
        ("[caps]", "[stages]\nhysteresis = 0.3\n[caps]", "9: stages.hysteresis: no lead would ever leave early_warning: that is"),
        ("[caps]", "[stages]\nhysteresis = 0.29\n[caps]", ""),
        ("[caps]", "[stages]\ngrace_days = 90\n[caps]", "9: stages.grace_days: no lead would ever rise to a stage: after 90"),
        ("[caps]", "[stages]\ngrace_days = 1000\n[caps]", "9: stages.grace_days: 1000 is not possible; input should be less than"),
        ("[caps]", "[caps]\ncooldown_hours = 9000", "9: caps.cooldown_hours: 9000 is not possible; input should be less than"),
        ("[caps]", "[publish]\nmin_change = 1\n[caps]", "9: publish.min_change: 1 is not possible; input should be less than"),
        ("[caps]", "[publish]\nforget_silent_after_days = 1\n[caps]", "9: publish.forget_silent_after_days: leads would be"),
        ("[caps]", "[escalation]\ntarget = ''\n[caps]", "9: escalation.target: is empty; write something there"),
        ("[caps]", "[escalation]\nchain = ['kim', ' ']\n[caps]", "9: escalation.chain.1: is empty; write something there"),
    ],
)  # fmt: skip
def test_steps_that_no_lead_ever_meets_are_found(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = TWO_STEPS + CAMPAIGN
    assert problems(tmp_path, text) == []
    found = problems(tmp_path, text.replace(old, new, 1))
    assert found[0].startswith(said) if said else found == []


@pytest.mark.parametrize(
    ("stops", "waits", "said"),
    [
        ('["reply"]', '["responded"]', "responded, which ends it all (reply in playbooks.early_warning.stop_on); take"),
        ('["reply"]', '["message_received", "responded"]', "message_received or responded, which ends it all"),
        ('["reply"]', '["opened", "responded"]', ""),
        ('["recovery"]', '["item_viewed"]', "item_viewed, which ends it all (recovery in playbooks.early_warning.stop_on)"),
        ('["recovery"]', '["call_completed"]', ""),
        ('["opt_out"]', '["responded", "item_viewed"]', ""),
    ],
)  # fmt: skip
def test_what_ends_a_playbook_cannot_be_waited_for(tmp_path: Path, stops: str, waits: str, said: str) -> None:
    text = TWO_STEPS.replace("stop_on = []", f"stop_on = {stops}").replace('["opened"]', waits)
    found = problems(tmp_path, text)
    assert [said in one for one in found] == [True] * bool(said), found


def test_a_campaign_ended_by_what_a_step_waits_for_is_found(tmp_path: Path) -> None:
    more = ", { name = 'more', action = 'market_update', channel = 'email', template = 'early_warning.email', after = { step = "
    text = TWO_STEPS + CAMPAIGN.replace(
        "24 }]", f"24 }}{more}'say', on = ['item_saved'] }} }}]\nstop_on = ['item_saved']"
    )
    (found,) = problems(tmp_path, text)
    assert "more waits for item_saved, which ends it all (item_saved in campaigns.yearly.stop_on)" in found


@pytest.mark.parametrize(
    ("trigger", "where", "stages", "said"),
    [
        ("'churn_risk', stage = 'active_risk'", "", "['early_warning']", "makes an offer, and there is none for active_risk, where"),
        ("'satisfied', at_least = 0.5", "risk = ['none', 'early_warning']", "['active_risk']", "none for none or early_warning, where"),
        ("'churn_risk', stage = 'active_risk'", "", "['active_risk']", ""),
        ("'satisfied', at_least = 0.5", "", "['active_risk']", ""),
    ],
)  # fmt: skip
def test_a_campaign_makes_no_offer_where_there_is_none(
    tmp_path: Path, trigger: str, where: str, stages: str, said: str
) -> None:
    step = "{ name = 'give', action = 'special_offer', channel = 'email', template = 'early_warning.email' }"
    gap = "[caps]\naction_gap_hours = { special_offer = 2160 }"
    text = f"""{SMALL.replace("[caps]", gap)}
[offers.ten]
words = "Ten off"
stages = {stages}
cost_cents = 10

[campaigns.it]
trigger = {{ type = {trigger} }}
where = {{ {where} }}
steps = [{step}]
"""
    found = problems(tmp_path, text)
    assert [said in one for one in found if "campaigns.it.steps.0.action" in one] == [True] * bool(said), found
    assert bool(found) == bool(said)


def test_one_look_tells_what_is_wrong_at_every_stage_of_checking(tmp_path: Path) -> None:
    """A misspelt key, keys that contradict each other, an hour nobody reaches, and a text that is not there."""
    text = SMALL.replace("early_warning.email", "no_such.email").replace("max_per_day = 1", "max_per_dya = 1")
    text += "\n[send_time]\nhour = 23\n\n[publish]\nforget_silent_after_days = 1\n"
    found = [one.partition("; ")[0] for one in problems(tmp_path, text)]
    assert [one.split(": ")[:2] for one in found] == [
        ["9", "caps.max_per_dya"], ["15", "playbooks.early_warning.steps.0.template"], ["19", "send_time.hour"],
        ["22", "publish.forget_silent_after_days"],
    ]  # fmt: skip
    assert check_policy(tmp_path / "p.toml", TEMPLATES)[0] is None, "and it may not be used"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("max_per_day = 1", "max_per_day = -1\naction_gap_hours = { market_update = -1 }", 2),
        ("contacts_lead = true", "contacts_laed = true", 2),  # and contacts_lead is missing: nothing stands in for it
        ("[channels.email]", '[vocabulary.demo_booked]\nfamily = "intnet"\nkey = true\n[channels.email]', 1),
        ('action = "market_update"', 'action = "market_updat"', 1),
        ("cost_cents = 6", 'cost_cents = 6\nafter = { step = "a_note", on = ["opend"], witin_hours = 3 }', 1),
    ],
)
def test_nothing_is_told_that_only_follows_from_something_else(tmp_path: Path, old: str, new: str, told: int) -> None:
    assert len(problems(tmp_path, SMALL.replace(old, new, 1))) == told


def test_every_way_in_says_file_line_and_remedy(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text(SMALL.replace("max_per_day = 1", "max_per_dya = 1").replace('"email"', '"fax"'))
    settings = LeadSettings(policy=file)
    with pytest.raises(PolicyInvalid) as caught:
        policies_of(settings)
    assert str(caught.value).splitlines()[1:] == [f"  {in_words(file, one)}" for one in read_policy(file)[1]]
    assert f"{file}:9: caps.max_per_dya: unknown key; did you mean max_per_day?" in str(caught.value)
    assert f"{file}:14: playbooks.early_warning.steps.0.channel: 'fax' is not possible; write" in str(caught.value)


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
    broken.write_text(story.replace('at = "day ', 'at = "dya ', 1))
    with pytest.raises(
        PolicyInvalid, match=r"cannot be told: 'dya .* is no time of a story: write it like 'day 8 14:30'"
    ):
        list(try_stories(POLICY_FILE, [broken]))
