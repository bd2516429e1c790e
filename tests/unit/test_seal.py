"""A model is what its seal says: whatever of it was changed, workers refuse it; and it says what it learned by."""

import pytest

from agents.meanings import meant_otherwise, vocabulary_of
from agents.model import TrainedModel, checked, sealed
from agents.snapshots import ActivityLog
from agents.train import settled, train
from schemas.errors import ModelInvalid
from streams.labels import Label, healthy_horizon
from streams.policy import Policy
from tests.planted import LABEL, POLICY, planted_log

LOG = ActivityLog.read(planted_log(), POLICY)


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    """A trained one."""
    return train(LOG, LABEL, name="planted")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("label", Label(horizon_days=31.0)), ("flags", ("x",)), ("base_rate", 0.5), ("golden", None), ("tested", None),
        ("vocabulary", "0" * 12), ("label_version", "l0"), ("season", 0.25), ("hush", None), ("spread", None),
        ("seal", "0" * 64), ("version", "m-20240811-0000000000"),
    ],
)  # fmt: skip
def test_whatever_of_its_manifest_was_changed_the_model_is_refused(
    model: TrainedModel, field: str, value: object
) -> None:
    assert checked(model, "here").version == model.manifest.version
    assert getattr(model.manifest, field) != value
    changed = model._replace(manifest=model.manifest.model_copy(update={field: value}))
    with pytest.raises(ModelInvalid, match="was changed"):
        checked(changed, "here")


def test_a_flag_that_is_taken_out_breaks_the_seal(model: TrainedModel) -> None:
    flagged = sealed(model._replace(manifest=model.manifest.model_copy(update={"flags": ("seen the answer",)})))
    assert checked(flagged, "here").manifest.flags
    assert flagged.manifest.version != model.manifest.version
    with pytest.raises(ModelInvalid, match="was changed"):
        checked(flagged._replace(manifest=flagged.manifest.model_copy(update={"flags": ()})), "here")


def test_a_model_says_by_which_meanings_it_learned(model: TrainedModel) -> None:
    assert model.manifest.label_version == LABEL.version
    assert model.manifest.vocabulary == vocabulary_of(POLICY)
    other = Policy.model_validate(
        POLICY.model_dump() | {"vocabulary": {"page_viewed": {"family": "intent", "key": True}}}
    )
    assert "learned from events that meant something else" in meant_otherwise(model.manifest, [other])
    assert not meant_otherwise(model.manifest, [other, POLICY])
    several = model.manifest.model_copy(update={"vocabulary": f"{'0' * 12} {vocabulary_of(POLICY)}"})
    assert not meant_otherwise(several, [POLICY]), "one of its tenants' vocabularies"
    assert meant_otherwise(several, [other])
    reading = POLICY.model_copy(update={"language": None if POLICY.language else "en"})
    assert meant_otherwise(model.manifest, [reading]), "texts that are read, or not, make another feature"


def test_each_definition_has_a_version_of_its_own() -> None:
    labels = [
        Label(), Label(horizon_days=31), Label(gap_days=1), Label(eligible_days=30), Label(churn="closed"),
        Label(churn="closed", closed_as=frozenset({"lost"})),
    ]  # fmt: skip
    assert len({label.version for label in labels}) == len(labels)
    both = [Label(churn="closed", closed_as=frozenset(names)) for names in (("lost", "won"), ("won", "lost"))]
    assert both[0].version == both[1].version
    assert Label.model_validate_json(both[0].model_dump_json()).version == both[0].version


def test_only_live_leads_are_judged_unless_the_label_says_otherwise() -> None:
    healthy = healthy_horizon(LOG.life)
    assert healthy is not None
    assert settled(LOG, Label(horizon_days=30)).eligible_days == healthy
    assert settled(LOG, Label()).horizon_days == settled(LOG, Label()).eligible_days == healthy
    assert settled(LOG, Label(eligible_days=90)).eligible_days == 90
    assert settled(LOG, Label(churn="closed")).eligible_days is None, "who is not closed is alive"
    ever = settled(LOG, Label(eligible_days=None))
    t = LOG.last_judged(Label(horizon_days=30))
    assert ever.eligible_days is None
    assert LOG.eligible(t, ever).sum() > LOG.eligible(t, settled(LOG, Label(horizon_days=30))).sum()
