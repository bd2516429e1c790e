"""A model as a record and back, and the way back from one model to another."""

from datetime import UTC, datetime, timedelta
from os import utime
from pathlib import Path

import pytest

from agents import parcel
from agents.cli.model import newest
from agents.going_back import at_first, way_back
from agents.model import MODEL_FILE, TrainedModel, checked, sealed
from agents.parcel import open_parcel, pack, unpack
from agents.registry import Registry
from agents.settings import LeadSettings
from agents.snapshots import ActivityLog
from agents.train import train
from schemas import topics
from schemas.errors import ModelInvalid
from schemas.policies import PUBLISHED, ModelPromoted, ModelPublished, key_of
from streams.grade import Verdict
from tests.planted import LABEL, POLICY, planted_log

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BAD: Verdict = "fall back"


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    """A trained one."""
    return train(ActivityLog.read(planted_log(), POLICY), LABEL, name="planted")


def test_a_model_goes_through_the_record_and_back(model: TrainedModel) -> None:
    record = PUBLISHED.validate_json(pack(model, NOW).model_dump_json())
    assert isinstance(record, ModelPublished)
    assert unpack(record) == model
    assert model.hazard, "time to churn comes with it"
    assert open_parcel(record).version == model.manifest.version
    size = len(record.model_dump_json())
    assert size < topics.POLICIES.max_bytes / 3, "with room to spare for more trees"
    assert size < len(model.text) + len(model.hazard)


def test_a_record_that_is_not_whole_is_refused_in_words(model: TrainedModel) -> None:
    record = pack(model, NOW)
    for broken, why in (
        (record.model_copy(update={"text": record.text[: len(record.text) // 8 * 4]}), "cut off"),
        (record.model_copy(update={"text": "€"}), "cannot be read"),
        (record.model_copy(update={"version": "m-other"}), f"holds {model.manifest.version}"),
        (record.model_copy(update={"manifest": {}}), "cannot be read"),
        (record.model_copy(update={"hazard": None}), "hazard.txt was changed"),
        (record.model_copy(update={"manifest": {**record.manifest, "feature_schema": "0" * 16}}), "train again"),
    ):
        with pytest.raises(ModelInvalid, match=why):
            open_parcel(broken)


def test_a_model_that_does_not_fit_is_refused_before_it_is_sent(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcel, "ROOM", 10_000)
    with pytest.raises(ModelInvalid, match="fewer trees"):
        pack(model, NOW)


def test_a_machine_that_computes_otherwise_refuses_the_model(model: TrainedModel) -> None:
    golden = model.manifest.golden
    assert golden is not None
    assert golden.x().shape[0] == len(golden.probabilities) == 200
    told = (golden.probabilities[0] + 1e-6, *golden.probabilities[1:])
    other = sealed(
        model._replace(
            manifest=model.manifest.model_copy(update={"golden": golden.model_copy(update={"probabilities": told})})
        )
    )
    with pytest.raises(ModelInvalid, match=r"scores golden rows differently here .* by up to 1e-06"):
        checked(other, MODEL_FILE)
    damaged = sealed(
        model._replace(
            manifest=model.manifest.model_copy(update={"golden": golden.model_copy(update={"rows": golden.rows[:40]})})
        )
    )
    with pytest.raises(ModelInvalid, match="cannot be read"):
        checked(damaged, MODEL_FILE)


def _went(*versions: str) -> Registry:
    return Registry(
        {},
        [
            ModelPromoted(id=f"p{i}", tenant="*", at=NOW + timedelta(days=i), version=version, why="promoted")
            for i, version in enumerate(versions)
        ],
    )


@pytest.mark.parametrize(
    ("history", "back"),
    [
        ("", None), ("A", None), ("AB", "A"), ("ABC", "B"), ("ABCB", "A"), ("ABCBA", None), ("ABAB", "A"), ("AA", None),
    ],
)  # fmt: skip
def test_a_rollback_goes_further_back_each_time(history: str, back: str | None) -> None:
    assert _went(*history).before() == back
    assert _went(*history).in_force == (history[-1] if history else None)


@pytest.mark.parametrize(
    ("history", "back"),
    [("", "rule-2"), ("A", "M"), ("AB", "A"), ("AM", "rule-2"), ("M", "rule-2"), ("ABM", "rule-2"), ("MA", "M")],
)
def test_a_rollback_ends_at_what_judged_at_first(history: str, back: str) -> None:
    """M is the model of LEADKEEPER_MODEL; the rule scorer is the last, and nothing is before it."""
    first = at_first(LeadSettings(model="M"))
    assert _went(*history).before(first) == back
    assert _went(*history, "rule-2").before(first) is None


def test_the_way_back_to_what_was_never_published_begins_with_its_announcement(
    model: TrainedModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Workers hold the model of LEADKEEPER_MODEL under no name; what they could not load is passed over."""
    version, bad = model.manifest.version, dict.fromkeys(("C",), BAD)
    settings, registry = LeadSettings(models=tmp_path, model=version), _went("C")
    assert way_back(settings, registry, {}, NOW) is None, "what judges may stay"
    assert way_back(settings, registry, bad, NOW) == ("rule-2", ())
    assert f"there is no way back to {version}: {tmp_path / version} holds no model" in caplog.text
    model.save(tmp_path)
    found = way_back(settings, registry, bad, NOW + timedelta(days=9))
    assert found is not None
    (record,) = found.announce
    assert (found.version, open_parcel(record).version) == (version, version)
    told = registry.told(record.model_dump_json().encode())
    assert told.challenger is None
    assert way_back(settings, told, bad, NOW) == (version, ())
    old = record.model_copy(update={"manifest": {**record.manifest, "feature_schema": "0" * 16}})
    refused = registry.told(old.model_dump_json().encode())
    assert way_back(settings, refused, bad, NOW) == ("rule-2", ()), "of an older program"
    assert way_back(settings, refused, bad | {"rule-2": BAD}, NOW) is None


def test_the_newest_is_that_with_the_newest_labels_and_then_the_one_saved_last(tmp_path: Path) -> None:
    paths = [tmp_path / name / "manifest.json" for name in ("m-20240101-b", "m-20240301-z", "m-20240301-a")]
    for i, path in enumerate(paths):
        path.parent.mkdir()
        path.touch()
        utime(path, (i, i))
    assert newest(sorted(paths)) == "m-20240301-a"
    utime(paths[1], (9, 9))
    assert newest(sorted(paths)) == "m-20240301-z"


def test_each_version_has_a_key_of_its_own(model: TrainedModel) -> None:
    record, (first, second) = pack(model, NOW), _went("A", "A").promotions
    assert len({key_of(record), key_of(first), key_of(second)}) == 3
    assert key_of(record) == key_of(pack(model, NOW + timedelta(days=1))), "published again it replaces itself"


def test_the_challenger_is_the_newest_published_since_the_last_promotion_that_never_judged(model: TrainedModel) -> None:
    def published(version: str, day: int) -> bytes:
        record = pack(model, NOW + timedelta(days=day)).model_copy(update={"version": version})
        return record.model_dump_json().encode()

    def promoted(version: str, day: int) -> bytes:
        at = NOW + timedelta(days=day)
        note = ModelPromoted(id=f"p-{day}", tenant="*", at=at, version=version, why="promoted")
        return note.model_dump_json().encode()

    def challenger(*records: bytes) -> str | None:
        registry = Registry({}, [])
        for record in records:
            registry = registry.told(record)
        return registry.challenger

    assert challenger() is None
    assert challenger(published("A", 0)) == "A", "the rule scorer judges"
    assert challenger(published("A", 0), promoted("A", 0)) is None
    history = (published("A", 0), promoted("A", 0), published("B", 1), published("C", 2))
    assert challenger(*history) == challenger(*reversed(history), b"{broken") == "C", "partitions come in any order"
    assert challenger(*history, promoted("C", 3)) is None, "what was published before has lost to it"
    assert challenger(*history, promoted("C", 3), promoted("A", 4), published("C", 5)) is None, "it has judged"
