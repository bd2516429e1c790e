"""A model whose risks are wrong is found out by what then happened, and the one before it judges again; a replay agrees."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.logged import LoggedEvent
from agents.manifest import Calibration
from agents.model import TrainedModel, read, sealed
from agents.policyfile.read import load_policy
from agents.registry import Registry, read_registry
from agents.ticks import tick_record
from agents.writer import Out, partition_for
from schemas.topics import ASSESSMENTS, EVENTS, EVENTS_DLQ, LEAD_AGENT_WRITES, STATE
from streams.features import DAY
from tests.acceptance.conftest import Deploy, Models
from tests.acceptance.product import POLICY_FILE, Product, Worker
from tests.faults.verdict import judge, oracle
from tests.planted import DAYS, START, message, planted_log
from tests.polling import eventually

TICKS_EVERY = 3
"""Days; a silent lead is looked at by ticks only."""


class World:
    """A deployment with a good model and one that tells a third of every risk.

    The good one is in force at first, by LEADKEEPER_MODEL; the other was promoted, and has judged a year.
    """

    def __init__(self, product: Product, models: Models, folder: Path) -> None:
        self.product, self.folder = product, folder
        good = read(models.folder / models.version)
        self.models = (good, third(good))
        self.good, self.bad = (one.manifest.version for one in self.models)
        for one in self.models:
            one.save(folder)
        self.worker = product.start("lead", models=str(folder), model=self.good).wait_ready()
        done = product.run("model", "promote", self.bad, "--at", "2024-01-01", models=str(folder))
        assert done.code == 0, done.err
        self.sent = product.partitions
        self.send(planted(product))

    def send(self, records: list[Out]) -> None:
        """Send, and wait until it is folded."""
        self.sent += self.product.send(records)
        self.worker.wait_folded(self.sent)

    def night(self, **settings: str) -> Worker:
        """Start the worker that grades; returns when it has."""
        folders = {"models": str(self.folder), "model": self.good, "reports": str(self.folder / "reports")}
        told = {**folders, "retrain_days": "0", "learn_action": "off", **settings}  # each has tests of its own
        return self.product.start("models", **told).wait_ready()

    def report(self) -> dict[str, Any]:
        """The newest."""
        told: dict[str, Any] = json.loads((self.folder / "reports/grades.json").read_text())
        return told

    def orders(self) -> list[str]:
        """Models that were ordered, the same in every partition."""
        found: dict[int, list[str]] = {}
        for record in self.product.inbox():
            if b'"activate"' in record.value:
                found.setdefault(record.partition, []).append(json.loads(record.value)["model"])
        assert len(found) == self.product.partitions
        assert len(set(map(tuple, found.values()))) == 1
        return found[0]

    def registry(self) -> Registry:
        """What `policies` says."""
        return asyncio.run(read_registry(self.product.broker.bootstrap, self.product.prefix))


def planted(p: Product, first: int = 0, last: int = DAYS) -> list[Out]:
    """Days of the planted log, with time passing in it, the same in every partition."""
    begin, end = (round((START.timestamp() + day * DAY) * 1000) for day in (first, last))
    log = [out_of(p, event) for event in planted_log() if begin <= event.at_ms < end]
    for day in range(first - first % TICKS_EVERY + TICKS_EVERY, last, TICKS_EVERY):
        at = START + timedelta(days=day)
        log += [tick_record(p.prefix, i, at, f"tick-{i}-{day}") for i in range(p.partitions)]
    return sorted(log, key=lambda out: (out.timestamp_ms or begin, out.partition))


def out_of(p: Product, event: LoggedEvent) -> Out:
    """A record of the inbox."""
    return Out(p.topic(EVENTS), partition_for(event.key, p.partitions), event.key, event.value, event.at_ms)


def third(model: TrainedModel) -> TrainedModel:
    """The same trees, all risks too low."""
    told = model.manifest.calibration
    low = Calibration(method=told.method, scores=told.scores, probabilities=tuple(p / 3 for p in told.probabilities))
    return sealed(model._replace(manifest=model.manifest.model_copy(update={"calibration": low, "golden": None})))


@pytest.fixture(scope="module")
def world(deploy: Deploy, models: Models, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two partitions."""
    return World(deploy(2), models, tmp_path_factory.mktemp("nights"))


def test_a_broken_calibration_is_only_told_where_that_is_wanted(world: World) -> None:
    night = world.night(grade_action="warn")
    figures = night.figures()
    assert figures.sum("leadkeeper_calibration_broken") == 1
    assert figures.sum("leadkeeper_fell_back_seconds") == 0
    assert figures.sum("leadkeeper_graded_judgements") > 500
    assert figures.sum("leadkeeper_graded_measure", measure="off") > 0.05
    assert 0 <= figures.sum("leadkeeper_graded_share", stage="early_warning", share="false_alarm") < 1
    assert f"`leadkeeper model promote {world.good}` goes back" in night.log
    assert world.orders() == [world.bad]
    assert world.good not in world.registry().published
    eventually(
        lambda: f"agree on 500 leads by {world.bad}" in night.log, 60, "state held against the inbox by what judges"
    )
    assert night.stop() == 0
    told = world.report()
    assert told["in_force"] == world.bad
    assert told["instead"] == world.good
    assert told["versions"][world.bad]["verdict"] == "fall back"
    assert {one["kind"] for one in told["versions"][world.bad]["segments"]} >= {"age", "tenant"}
    assert told["drift"] == [], "500 leads are too few to tell drift by"
    page = (world.folder / "reports/grades.html").read_text()
    assert f"{world.bad} should not judge" in page


def test_the_version_before_judges_again_and_a_replay_agrees(world: World) -> None:
    night = world.night()
    assert night.figures().sum("leadkeeper_fell_back_seconds") > 0
    assert world.orders() == [world.bad, world.good]
    assert world.registry().promotions[-1].why.startswith(f"fell back from {world.bad}: told and seen are at least 0.")
    assert night.stop() == 0

    p = world.product
    world.sent += p.partitions
    later = [message(n, DAYS + 1, "purchase_completed", 10_000 + n, amount_cents=100) for n in range(20)]
    world.send([out_of(p, event) for event in later])
    told = [json.loads(record.value) for record in p.records(ASSESSMENTS)]
    judges = {one["model_version"] for one in told if one["cause"].startswith("purchase_completed-100")}
    assert judges == {world.good}

    wanted = oracle(
        p.inbox(), 2, load_policy(POLICY_FILE),
        scorers={"": world.models[0].scorer()} | {m.manifest.version: m.scorer() for m in world.models},
    )  # fmt: skip
    written = [record for topic in (*LEAD_AGENT_WRITES, EVENTS_DLQ) for record in p.records(topic)]
    verdict = judge(wanted, written, p.records(STATE), p.prefix)
    assert verdict.clean, verdict

    again = world.night(retrain_days="7")
    assert again.figures().sum("leadkeeper_calibration_broken") == 0, "what is in force has told next to nothing yet"
    assert world.orders()[:2] == [world.bad, world.good]
    assert world.orders()[2:] in ([], [world.registry().in_force]), "nothing more to go back from"
    newest = world.report()
    assert newest["in_force"] == world.good
    assert newest["retrained"], "the last model was published more than a week ago"
    assert newest["retrained"].startswith("retrained: ") == (len(world.orders()) == 3), "it judges only if it is better"


def test_what_is_held_of_every_lead_is_what_the_inbox_says(world: World) -> None:
    done = world.product.run("model", "agree", "--from-kafka", models=str(world.folder))
    assert done.code == 0, done
    assert f"scored by {world.registry().in_force}" in done.out
    compared = int(done.out.split()[0].replace(",", ""))
    assert compared > 300
    assert "agree to 1e-06" in done.out


def test_the_command_says_the_same_of_what_the_topics_hold(world: World) -> None:
    done = world.product.run("model", "grade", models=str(world.folder))
    assert done.code == 1, done
    assert f"{world.bad}: fall back. told and seen are at least" in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines() if line.startswith("  "))


def test_a_version_that_judges_a_share_is_taken_back_by_what_it_told(world: World) -> None:
    p = world.product
    done = p.run("model", "promote", world.bad, "--share", "0.3", "--at", "2024-11-27", models=str(world.folder))
    assert done.code == 0, done.err
    assert world.registry().rolling["*"].version == world.bad
    before = world.registry().in_force
    night = world.night(retrain_days="7")
    assert f"{world.bad} should not judge 30.0 % of *" in night.log
    registry = world.registry()
    figures = night.figures()
    assert figures.sum("leadkeeper_fell_back_seconds") == registry.promotions[-1].at.timestamp(), "the same night"
    assert figures.sum("leadkeeper_calibration_broken") == 1, "also where only a share was judged by it"
    assert night.stop() == 0
    assert (registry.rolling, registry.in_force) == ({}, before)
    assert registry.promotions[-1].why.startswith(f"fell back from {world.bad}: ")
    told = world.report()
    assert told["taken_back"] == [world.bad]
    assert told["retrained"] == "", "not on the same night"


def test_going_back_by_hand_ends_at_what_judged_at_first(world: World) -> None:
    went = []
    while (done := world.product.run("model", "rollback", models=str(world.folder), model=world.good)).code == 0:
        went.append(done.out.split()[0])
    assert done.code == 66, done
    assert "nothing judged before rule-2; `model promote` puts another one in force" in done.err
    assert went[-2:] in (["rule-2"], [world.good, "rule-2"])
    assert world.orders()[-len(went) :] == went
