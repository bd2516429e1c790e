"""Every message text renders, with and without what may be missing, and leads never read about scores."""

import re
import tomllib
from pathlib import Path

import pytest

from agents.channels.parts import PARTS
from agents.channels.templates import MAX_BYTES, Templates, UnrenderableError
from schemas.commands import Variable
from schemas.units import Channel, Stage

FOLDER = Path(__file__).parents[2] / "deploy" / "templates"
SPOKEN = [channel for channel, parts in PARTS.items() if parts]
FOR_LEADS = {Channel.EMAIL, Channel.IN_APP, Channel.SMS, Channel.PUSH}
STAGES = [stage for stage in Stage if stage is not Stage.NONE]
ACTIONS = (
    "immediate_call", "personalised_email", "special_offer", "schedule_meeting",
    "property_recommendation", "market_update", "agent_escalation", "re_engagement_campaign",
)  # fmt: skip
FULL: dict[str, Variable] = {
    "name": "Ana", "tenant": "acme", "lead": "L-17", "agent": "Ben Ito", "stage": "active_risk",
    "probability_percent": 72,
    "silent_days": 9, "usual_gap_days": 2, "reason": "No reply to the last two mails", "action": "schedule_meeting",
    "business": "Hearth Homes", "unsubscribe": "https://example.com/u?i=x&y=1",
    "journey": "customer", "occasion": "Monday 12 January, 10:30", "offer_words": "20 % off for three months",
    "unwanted": "does not want to be phoned",
}  # fmt: skip
BARE = FULL | {
    "name": None,
    "agent": None,
    "usual_gap_days": None,
    "unsubscribe": None,
    "journey": None,
    "occasion": None,
    "offer_words": None,
    "unwanted": None,
}


@pytest.fixture
def templates() -> Templates:
    """The shipped ones."""
    return Templates(FOLDER)


@pytest.mark.parametrize("variables", [FULL, BARE], ids=["full", "bare"])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("channel", SPOKEN)
@pytest.mark.parametrize("stage", STAGES)
def test_every_text_renders(
    templates: Templates, stage: Stage, channel: Channel, action: str, variables: dict[str, Variable]
) -> None:
    rendered = templates.render(f"{stage}.{channel}", PARTS[channel], variables | {"action": action})
    for part, text in rendered.items():
        assert text.strip(), part
        assert "None" not in text, f"{part} reads badly without an optional variable: {text}"
        assert "{{" not in text
        assert not re.search(r" [,.]| {2}\S|,,|\.\.", re.sub(r"(?s)<.*?>", "", text)), f"{part}: {text!r}"
    for one_line in ("subject", "title"):
        assert "\n" not in rendered.get(one_line, "").strip()
    if channel in FOR_LEADS:
        assert not re.search(r"churn|risk|probab|score|72|silent", " ".join(rendered.values()), re.IGNORECASE)
    else:
        assert "L-17" in " ".join(rendered.values())


@pytest.mark.parametrize("stage", STAGES)
def test_sms_fits_into_two_segments_of_the_gsm_alphabet(templates: Templates, stage: Stage) -> None:
    text = templates.render(f"{stage}.sms", ("txt",), FULL)["txt"]
    assert text.isascii()
    assert len(text) <= 2 * 153


@pytest.mark.parametrize("part", ["txt", "html"])
def test_mail_names_the_way_out(templates: Templates, part: str) -> None:
    shown = "https://example.com/u?i=x&amp;y=1" if part == "html" else "https://example.com/u?i=x&y=1"
    assert shown in templates.render("early_warning.email", (part,), FULL)[part]
    assert "nsubscribe" not in templates.render("early_warning.email", (part,), BARE)[part]


def test_html_escapes_and_text_does_not(templates: Templates) -> None:
    hostile = FULL | {"name": "<script>alert(1)</script>", "business": "Smith & Sons"}
    rendered = templates.render("critical_risk.email", ("txt", "html"), hostile)
    assert "<script>" not in rendered["html"]
    assert "&lt;script&gt;" in rendered["html"]
    assert "Smith &amp; Sons" in rendered["html"]
    assert "&amp;amp;" not in rendered["html"]
    assert "Smith & Sons" in rendered["txt"]


def test_variables_are_never_template_source(templates: Templates) -> None:
    text = templates.render("early_warning.sms", ("txt",), FULL | {"name": "{{ 7 * 7 }}"})["txt"]
    assert "{{ 7 * 7 }}" in text


def test_an_unknown_variable_is_an_error(templates: Templates) -> None:
    lacking = {key: value for key, value in FULL.items() if key != "business"}
    with pytest.raises(UnrenderableError, match=r"early_warning\.sms\.txt\.j2.*business"):
        templates.render("early_warning.sms", ("txt",), lacking)


@pytest.mark.parametrize("name", ["nothing.here", "../secrets", "/etc/passwd", "", "a\nb"])
def test_a_missing_or_odd_template_is_named(templates: Templates, name: str) -> None:
    with pytest.raises(UnrenderableError, match="template"):
        templates.render(name, ("txt",), FULL)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ name.__class__.__mro__ }}", "unsafe"),
        ("{% for i in range(200000) %}x{% endfor %}", "Range too big|longer than"),
        (f"{{{{ 'x' * {MAX_BYTES + 1} }}}}", "longer than"),
        ("{{ name | pprint }}", "No filter"),
        ("{{ silent_days / 0 }}", "zero"),
        ("{% if %}", "Expected"),
    ],
)
def test_a_broken_template_is_told_not_raised(tmp_path: Path, source: str, says: str) -> None:
    (tmp_path / "bad.txt.j2").write_text(source)
    with pytest.raises(UnrenderableError, match=says):
        Templates(tmp_path).render("bad", ("txt",), FULL)


@pytest.mark.parametrize("policy", sorted((FOLDER.parent / "policies").glob("*.toml")), ids=lambda p: p.stem)
def test_no_policy_tells_a_lead_of_scores(templates: Templates, policy: Path) -> None:
    """Every text that a shipped policy sends to a lead reads well with and without a name, and speaks of no risk."""
    told = tomllib.loads(policy.read_text())
    for book in (*told["playbooks"].values(), *told.get("campaigns", {}).values()):
        for step in book["steps"]:
            for channel in FOR_LEADS & {Channel(step["channel"]), *map(Channel, step.get("fallback", ()))}:
                template = f"{step['template'].removesuffix('.' + step['channel'])}.{channel}"
                for variables in (FULL, BARE):
                    texts = templates.render(template, PARTS[channel], variables | {"action": step["action"]})
                    words = " ".join(texts.values())
                    assert not re.search(r"churn|risk|probab|score|72|silent|None", words, re.IGNORECASE), template
