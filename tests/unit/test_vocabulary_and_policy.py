"""What events mean, and what a policy may say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from schemas.errors import PolicyInvalid
from schemas.events import EVENT, Activity, event_classes
from schemas.units import Channel
from streams.env import EVERYONE, Env
from streams.policy import Policy
from streams.vocabulary import BUILT_IN, Family, Kind, meaning
from tests.worlds import POLICY_FILE, ROOT, policy

ACTIVITY = {name: cls for name, cls in event_classes().items() if issubclass(cls, Activity)}


def _example(name: str) -> Any:
    return EVENT.validate_json((ROOT / "schemas" / "examples" / "lead.events" / f"{name}.json").read_bytes())


# -- vocabulary


@pytest.mark.parametrize("name", sorted(ACTIVITY))
def test_every_activity_has_a_meaning(name: str) -> None:
    """Of its own: nothing built in falls to `other` by being forgotten."""
    told = meaning(_example(name), {})
    assert told.family in set(Family)
    assert name in BUILT_IN or name in {"call_completed", "custom"}


@pytest.mark.parametrize(
    ("name", "changes", "family", "key", "cents", "mood"),
    [
        ("call_completed", {"outcome": "connected"}, Family.REPLY, True, 0, None),
        ("call_completed", {"outcome": "no_answer"}, Family.UNANSWERED, False, 0, None),
        ("purchase_completed", {"amount_cents": 5}, Family.PURCHASE, True, 5, None),
        ("refund_issued", {"amount_cents": 5}, Family.PAYMENT, False, -5, None),
        ("survey_answered", {"score": 0.2}, Family.REPLY, True, 0, 0.2),
        ("review_posted", {"stars": 1}, Family.REPLY, True, 0, 0.0),
        ("review_posted", {"stars": 5}, Family.REPLY, True, 0, 1.0),
        ("page_viewed", {}, Family.BROWSE, False, 0, None),
        ("custom", {"kind": "unheard_of"}, Family.OTHER, False, 0, None),
        ("custom", {"kind": "demo", "amount_cents": 7}, Family.INTENT, True, 7, None),
    ],
)
def test_meanings(
    name: str, changes: dict[str, Any], family: Family, key: bool, cents: int, mood: float | None
) -> None:
    """Family, sign of life, money and mood."""
    told = meaning(_example(name).model_copy(update=changes), {"demo": Kind(Family.INTENT, key=True)})
    assert (told.family, told.key, told.cents) == (family, key, cents)
    assert math.isnan(told.mood) if mood is None else told.mood == mood


def test_a_policy_may_give_a_built_in_type_another_meaning() -> None:
    """A tenant to whom a page view is a sign of life says so."""
    assert meaning(_example("page_viewed"), {"page_viewed": Kind(Family.INTENT, key=True)}).key
    assert meaning(_example("call_completed"), {"call_completed": Kind(Family.VISIT, key=False)}).family == Family.VISIT


# -- policy


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stages": {"early_wraning": 0.3}}, ["stages.early_wraning", "Extra inputs"]),
        ({"colour": "blue"}, ["colour", "Extra inputs"]),
        ({"stages": {"early_warning": 0.7}}, ["stages", "thresholds must rise"]),
        ({"stages": {"critical_risk": 1.2}}, ["stages.critical_risk", "less than or equal to 1"]),
        ({"stages": {"hysteresis": -0.1}}, ["stages.hysteresis"]),
        ({"quiet_hours": {"start": "25:00"}}, ["quiet_hours.start"]),
        ({"caps": {"max_per_day": -1}}, ["caps.max_per_day"]),
        ({"holdout": {"share": 0.9}}, ["holdout.share"]),
        ({"channels": {"fax": {"contacts_lead": True}}}, ["channels.fax"]),
        ({"channels": {"email": {"consent": "maybe"}}}, ["channels.email.consent"]),
        ({"vocabulary": {"demo": {"family": "nope", "key": True}}}, ["vocabulary.demo.family"]),
        (
            {"playbooks": {"early_warning": {"steps": [{"name": "A B"}]}}},
            ["playbooks.early_warning.steps.0.name", "steps.0.template"],
        ),
        ({"publish": {"min_change": float("nan")}}, ["publish.min_change"]),
    ],
)
def test_a_wrong_policy_names_the_key(changes: Mapping[str, Any], words: list[str]) -> None:
    """And where it came from, so that an operator finds it."""
    with pytest.raises(PolicyInvalid) as caught:
        policy(changes)
    assert "test policy" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_step_may_only_use_a_channel_that_is_described_and_names_differ() -> None:
    """Both errors say where."""
    step = {"name": "ring", "action": "immediate_call", "channel": "webhook", "template": "x", "fallback": ["sms"]}
    only_email = {c.value: {"contacts_lead": True} for c in (Channel.EMAIL, Channel.WEBHOOK)}
    raw: dict[str, Any] = {
        "name": "n",
        "version": "1",
        "channels": only_email,
        "playbooks": {"active_risk": {"steps": [step]}},
    }
    with pytest.raises(ValueError, match=r"step ring uses sms, which \[channels\] does not describe"):
        Policy.model_validate(raw)
    raw["playbooks"]["active_risk"]["steps"] = [{**step, "fallback": []}] * 2
    with pytest.raises(ValueError, match="same name"):
        Policy.model_validate(raw)


@pytest.mark.parametrize("path", sorted(POLICY_FILE.parent.glob("*.toml")), ids=lambda p: p.stem)
def test_every_shipped_policy_is_valid(path: Any) -> None:
    """All of them, by file."""
    import tomllib  # noqa: PLC0415 - here only

    from streams.policy import parse_policy  # noqa: PLC0415 - here only

    assert parse_policy(tomllib.loads(path.read_text()), str(path)).playbooks.critical_risk.steps


def test_a_tenant_has_its_own_policy_or_everyones() -> None:
    """By version."""
    own, default = policy({"version": "own"}), policy()
    world = Env({"": {EVERYONE: default, "acme": own}}, {})
    assert world.policy("", "acme") is own
    assert world.policy("", "zeta") is default
