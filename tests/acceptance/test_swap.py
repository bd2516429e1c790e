"""Models come over the broker, are checked, and take turns while events pour in: nothing lost, and a replay agrees."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from threading import Event, Thread
from typing import NamedTuple, Self

import pytest

from agents.activate import Order, activate
from agents.model import LightGbmScorer, TrainedModel, load, read
from agents.parcel import pack
from agents.policyfile.read import load_policy
from agents.snapshots import ActivityLog
from agents.train import train
from agents.writer import Out, partition_for
from schemas import topics
from schemas.policies import ModelPublished
from schemas.topics import ASSESSMENTS, EVENTS, EVENTS_DLQ, LEAD_AGENT_WRITES, STATE
from streams.features import DAY
from tests.acceptance.conftest import Deploy, Models
from tests.acceptance.product import POLICY_FILE, Product
from tests.acceptance.traffic import day, event, messages, tick
from tests.faults.verdict import judge, oracle
from tests.planted import LABEL, POLICY, START, planted_log


class Two(NamedTuple):
    """A folder with two models."""

    folder: Path
    first: str
    second: str

    def scorers(self) -> dict[str, LightGbmScorer]:
        """By version."""
        return {version: load(self.folder / version) for version in (self.first, self.second)}


@pytest.fixture(scope="module")
def two(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Two:
    """The session's model, and one that knows less."""
    folder = tmp_path_factory.mktemp("two")
    copytree(models.folder / models.version, folder / models.version)
    log = ActivityLog.read(planted_log(), POLICY)
    other = train(log, LABEL, until=START.timestamp() + 200 * DAY, name="planted")
    other.save(folder)
    return Two(folder, models.version, other.manifest.version)


class Load:
    """Events without a pause, from a thread, until it is stopped."""

    def __init__(self, product: Product, leads: int) -> None:
        self._product, self._leads = product, [f"L{n}" for n in range(leads)]
        self._stop = Event()
        self.sent = 0
        self._thread = Thread(target=self._pour)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _pour(self) -> None:
        n = 0
        while not self._stop.is_set():
            self.sent += self._product.send(self._batch(n))
            n += 1

    def _batch(self, n: int) -> Iterator[Out]:
        """Every lead once, some minutes later; one in seven with trouble."""
        for i, lead in enumerate(self._leads):
            kind = "ticket_opened" if (n + i) % 7 == 0 else "message_received"
            yield event(self._product, lead, day(1 + n / 200), kind, f"{lead}-{n}")


def test_models_take_turns_under_load_and_a_replay_agrees(deploy: Deploy, two: Two, tmp_path: Path) -> None:
    product = deploy(2)
    worker = product.start("lead", models=str(tmp_path)).wait_ready()
    at = day(0).replace(tzinfo=None).isoformat()
    orders = (("promote", two.first), ("promote", two.second), ("rollback",))
    with Load(product, 150) as load_:
        for words in orders:
            worker.wait_folded(load_.sent + 1)
            done = product.run("model", *words, "--at", at, models=str(two.folder))
            assert done.code == 0, done.err
    worker.wait_folded(load_.sent + 2 * len(orders))
    sent = load_.sent + 2 * len(orders) + product.send(tick(product, 40))
    worker.wait_folded(sent)
    assert worker.running

    inbox = product.inbox()
    assert len(inbox) == sent
    wanted = oracle(inbox, 2, load_policy(POLICY_FILE), scorers=two.scorers())
    written = [record for topic in (*LEAD_AGENT_WRITES, EVENTS_DLQ) for record in product.records(topic)]
    verdict = judge(wanted, written, product.records(STATE), product.prefix)
    assert verdict.clean, verdict
    assert not verdict.repeats
    judged = {json.loads(record.value)["model_version"] for record in product.records(ASSESSMENTS)}
    assert judged == {"rule-2", two.first, two.second}

    listed = product.run("model", "list", models=str(tmp_path))
    assert f"{two.first}  in force" in listed.out, listed
    late = product.start("lead", models=str(tmp_path)).wait_ready()
    assert worker.stop() == 0
    late.wait_for("leadkeeper_recovered_records", 1)
    more = product.send(messages(product, ["L1", "L2"], 41, 1))
    late.wait_folded(more)
    last = [json.loads(record.value) for record in product.records(ASSESSMENTS)]
    told = {one["model_version"] for one in last if one["at"] > day(40.5).isoformat()}
    assert told == {two.first}, "a worker that came later has it from the broker"


def _broken(model: TrainedModel) -> ModelPublished:
    """Announced whole, but its text is not what its manifest says."""
    return pack(model._replace(text=model.text.replace(b"leaf_value=", b"leaf_value=9", 1)), day(0))


def test_what_must_be_refused_is_dead_lettered_with_the_reason_in_the_log(deploy: Deploy, two: Two) -> None:
    product = deploy(1)
    worker = product.start("lead").wait_ready()
    bootstrap, prefix = product.broker.bootstrap, product.prefix
    broken = _broken(read(two.folder / two.first))
    asyncio.run(activate(bootstrap, prefix, day(0), Order(model=two.first), announce=[broken]))
    asyncio.run(activate(bootstrap, prefix, day(0), Order(model="m-nobody-announced")))
    product.send(messages(product, ["L1"], 1))
    worker.wait_folded(7)
    assert worker.running
    assert [dict(record.headers)["leadkeeper.field"] for record in product.records(EVENTS_DLQ)] == [b"model"] * 2
    assert "SHA-256" in worker.log
    assert "m-nobody-announced was never announced" in worker.log
    worker.wait_for("leadkeeper_refused_versions_total", 1)
    judged = {json.loads(record.value)["model_version"] for record in product.records(ASSESSMENTS)}
    assert judged == {"rule-2"}
    good = pack(read(two.folder / two.first), day(0))
    asyncio.run(activate(bootstrap, prefix, day(8), Order(model=two.first), announce=[good]))
    product.send(messages(product, ["L1"], 9, 1))
    worker.wait_folded(9)
    judged = {json.loads(record.value)["model_version"] for record in product.records(ASSESSMENTS)}
    assert judged == {"rule-2", two.first}, "announced again as it should be, it is taken"
    assert len(product.records(topics.POLICIES)) >= 2


def test_retraining_promotes_only_what_is_better(deploy: Deploy, models: Models, tmp_path: Path) -> None:
    product, home = deploy(1), models.folder.parent
    words = ("model", "retrain", str(home / "log.jsonl"), "--mapping", str(home / "planted.toml"))
    kept = product.run(*words, models=str(tmp_path))
    assert kept.code == 1, kept
    assert "rule-2 stays in force" in kept.out
    assert "moves the volume of" in kept.out
    assert product.inbox() == []
    better = product.run(*words, "--volumes-may-move", models=str(tmp_path))
    assert better.code == 0, better
    assert "is activated on 1 partitions" in better.out
    assert len(product.inbox()) == 1
    again = product.run(*words, models=str(tmp_path))
    assert again.code == 1, again
    assert "again, which is in force" in again.out
    assert len(product.inbox()) == 1


def test_the_inbox_itself_is_enough_to_retrain_from(deploy: Deploy, tmp_path: Path) -> None:
    product = deploy(2)
    topic = product.topic(EVENTS)
    product.send(Out(topic, partition_for(e.key, 2), e.key, e.value, e.at_ms) for e in planted_log())
    product.send([Out(topic, 0, b"t:L1", b"{broken", None)])
    first = product.run("model", "retrain", "--volumes-may-move", models=str(tmp_path))
    assert first.code == 0, first
    assert "better: it may be promoted" in first.out
    shown = product.run("model", "show", models=str(tmp_path))
    assert f"made from    {EVENTS.name}" in shown.out, shown
    again = product.run("model", "retrain", models=str(tmp_path))
    assert again.code == 1, again
    assert "again, which is in force" in again.out
