"""What a worker makes of announcements and orders: loads in time, reads on before it says no, refuses what is wrong, forgets."""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agents import metrics
from agents.cli.promotion import EVERYONE
from agents.library import SPARE_MODELS, Library
from agents.model import TrainedModel, sealed
from agents.parcel import pack, unpack
from agents.policyfile.read import load_policy
from agents.settings import LeadSettings
from agents.snapshots import ActivityLog
from agents.train import train
from schemas.errors import Unavailable
from schemas.policies import ModelPublished, PolicyPublished, key_of
from streams.rollout import Versions
from tests.planted import LABEL, POLICY, planted_log
from tests.worlds import POLICY_FILE, policy

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CatchUp = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def models() -> list[ModelPublished]:
    """Several versions of one model, as records."""
    first = train(ActivityLog.read(planted_log(), POLICY), LABEL, name="planted")
    return [pack(_version(first, 1 - n / 1000), NOW) for n in range(SPARE_MODELS + 3)]


def _version(model: TrainedModel, factor: float) -> TrainedModel:
    """The same trees that tell risks lower by a factor."""
    told = model.manifest.calibration
    lower = told.model_copy(update={"probabilities": tuple(factor * p for p in told.probabilities)})
    return sealed(model._replace(manifest=model.manifest.model_copy(update={"calibration": lower, "golden": None})))


def _order(partition: int = 0, **what: str) -> bytes:
    body = {"v": 1, "type": "activate", "id": "a", "partition": partition, "at": NOW.isoformat(), **what}
    return json.dumps(body).encode()


def _announce(library: Library, *records: ModelPublished | PolicyPublished) -> CatchUp:
    """Reads on, and finds these."""

    async def catch_up() -> None:
        for record in records:
            await library.take(key_of(record), record.model_dump_json().encode())

    return catch_up


def test_an_order_that_comes_before_its_model_was_read_waits_for_it(models: list[ModelPublished]) -> None:
    library, version = Library(LeadSettings()), models[0].version
    wanted = library.ordered(0, [b"{}", None, _order(model=version), _order(1, model="m-other-partition")])
    assert wanted == {Versions("", version)}
    asyncio.run(library.prepare(wanted, _announce(library, models[0])))
    assert library.env.scorers[version].version == version
    assert library.ordered(0, [_order(model=version)]) == set(), "it is at hand now"


def test_what_nobody_announced_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    library = Library(LeadSettings())
    with caplog.at_level(logging.ERROR):
        asyncio.run(library.prepare({Versions("", "m-nobody"), Versions("9", "")}, _announce(library)))
    assert "m-nobody was never announced" in caplog.text
    assert "no usable policy 9 was announced" in caplog.text
    assert "m-nobody" not in library.env.scorers
    with pytest.raises(Unavailable):
        asyncio.run(library.require(Versions("", "m-nobody"), _announce(library)))


def test_while_a_worker_runs_a_model_is_loaded_when_it_is_announced(models: list[ModelPublished]) -> None:
    library = Library(LeadSettings())
    asyncio.run(_announce(library, models[0])())
    assert models[0].version not in library.env.scorers, "one of long ago is loaded only when it is ordered"
    library.at_once = True
    asyncio.run(_announce(library, models[1])())
    assert models[1].version in library.env.scorers
    asyncio.run(library.take(key_of(models[0]), None))
    with pytest.raises(Unavailable):
        asyncio.run(library.require(Versions("", models[0].version), _announce(library)))


def test_a_model_that_learned_from_other_meanings_is_loaded_and_that_is_said(
    models: list[ModelPublished], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    library = Library(LeadSettings())
    library.at_once = True
    with caplog.at_level(logging.WARNING):
        asyncio.run(_announce(library, models[0])())
    assert models[0].version in library.env.scorers
    assert f"{models[0].version} learned from events that meant something else" in caplog.text
    caplog.clear()
    same = tmp_path / "planted.json"
    same.write_text(POLICY.model_dump_json())
    library = Library(LeadSettings(policy=same))
    library.at_once = True
    with caplog.at_level(logging.WARNING):
        asyncio.run(_announce(library, models[0])())
    assert "meant something else" not in caplog.text


def test_a_model_of_the_settings_that_may_have_seen_the_answer_is_loaded_and_that_is_said(
    models: list[ModelPublished], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    honest = unpack(models[0])
    flagged = sealed(honest._replace(manifest=honest.manifest.model_copy(update={"flags": ("it knows too much",)})))
    for model, said in ((honest, False), (flagged, True)):
        model.save(tmp_path)
        version = model.manifest.version
        with caplog.at_level(logging.WARNING):
            library = Library(LeadSettings(models=tmp_path, model=version))
        assert library.env.scorers[""].version == version
        assert (f"{version}, which LEADKEEPER_MODEL puts in force, may have seen" in caplog.text) is said
    assert "it knows too much" in caplog.text


def test_what_is_wrong_is_refused_counted_and_ends_nothing(
    models: list[ModelPublished], caplog: pytest.LogCaptureFixture
) -> None:
    library, before = Library(LeadSettings()), metrics.REFUSED._value.get()
    library.at_once = True
    broken = models[0].model_copy(update={"text": models[0].text[:400]})
    other = policy({"caps": {"max_per_day": 9}}).model_dump(mode="json")
    taken = PolicyPublished(id="p", tenant=EVERYONE, at=NOW, version="1", policy=other)
    nonsense = taken.model_copy(update={"version": "8", "policy": {"name": "x"}})
    with caplog.at_level(logging.ERROR):
        asyncio.run(_announce(library, broken, taken, nonsense)())
        asyncio.run(library.take(b"*:model_published:x", b"{"))
    assert metrics.REFUSED._value.get() - before == 4
    for words in ("cannot be read", "is known with other content", "not a valid policy", "JSON"):
        assert words in caplog.text
    assert library.env.policies["1"][EVERYONE] == load_policy(POLICY_FILE)
    assert set(library.env.policies) == {"", "1"}


def test_a_policy_comes_by_announcement_too() -> None:
    library = Library(LeadSettings())
    text = policy({"version": "2", "caps": {"max_per_day": 9}}).model_dump(mode="json")
    new = PolicyPublished(id="p", tenant=EVERYONE, at=NOW, version="2", policy=text)
    asyncio.run(library.prepare(library.ordered(0, [_order(policy="2")]), _announce(library, new)))
    assert library.env.policy("2", "acme").caps.max_per_day == 9


@pytest.mark.parametrize("reverse", [False, True])
def test_a_version_has_the_policies_of_tenants_that_were_announced_before_everyones(
    reverse: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """In whatever order they are read: they may lie in different partitions."""

    def text(most: int) -> dict[str, Any]:
        return policy({"version": "2", "caps": {"max_per_day": most}}).model_dump(mode="json")

    acme = PolicyPublished(id="p1", tenant="acme", at=NOW, version="2", policy=text(7))
    everyone = PolicyPublished(id="p2", tenant=EVERYONE, at=NOW + timedelta(seconds=1), version="2", policy=text(8))
    late = PolicyPublished(id="p3", tenant="busy", at=NOW + timedelta(seconds=2), version="2", policy=text(9))
    library, told = Library(LeadSettings()), [acme, everyone, late]
    asyncio.run(_announce(library, *(reversed(told) if reverse else told))())
    found = {tenant: library.env.policy("2", tenant).caps.max_per_day for tenant in ("acme", "busy", "else")}
    assert found == {"acme": 7, "busy": 8, "else": 8}
    assert ("was complete before" in caplog.text) is not reverse
    again = everyone.model_copy(update={"policy": text(1)})
    asyncio.run(_announce(library, again)())
    assert library.env.policy("2", "else").caps.max_per_day == 8


def test_old_models_are_dropped_but_for_those_in_force(models: list[ModelPublished]) -> None:
    library = Library(LeadSettings())
    library.at_once = True
    asyncio.run(_announce(library, *models)())
    versions = [model.version for model in models]
    library.spare({versions[0]})
    kept = [version for version in versions if version in library.env.scorers]
    assert kept == [versions[0], *versions[-SPARE_MODELS:]]
    assert {"", "rule-2"} < set(library.env.scorers)
    asyncio.run(library.prepare({Versions("", versions[1])}, _announce(library)))
    assert versions[1] in library.env.scorers, "a rollback loads it again"
