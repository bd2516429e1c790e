"""A challenger scores beside the model in force, is compared by what then happened, and causes nothing."""

import asyncio
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from agents.held import held
from agents.model import read
from agents.policyfile.read import load_policy
from agents.settings import Settings
from schemas.shadow import ShadowScored
from schemas.topics import EVENTS_DLQ, LEAD_AGENT_WRITES, SHADOW, STATE
from streams.features import DAY
from streams.partition import Partition
from streams.vector import vectors
from tests.acceptance.conftest import Deploy, Models
from tests.acceptance.product import POLICY_FILE, Product
from tests.acceptance.test_nightly import planted, third
from tests.faults.verdict import judge, oracle
from tests.planted import DAYS, LABEL, START

PUBLISHED, STEP = 230, 10
"""Day on which the challenger is published, and days that are sent at once from then on."""


def said(product: Product) -> list[ShadowScored]:
    """Everything on `lead.shadow`."""
    return [ShadowScored.model_validate_json(record.value) for record in product.records(SHADOW)]


def last_state(product: Product) -> list[Partition]:
    """What the workers hold, as a stranger reads it."""
    found = [Partition(n) for n in range(product.partitions)]
    for partition in found:
        records = [r for r in product.records(STATE) if r.partition == partition.number and r.key != b"\x00barrier"]
        partition.restore((r.key, r.value, r.offset) for r in records)
    return found


@pytest.fixture(scope="module")
def run(deploy: Deploy, models: Models, tmp_path_factory: pytest.TempPathFactory) -> tuple[Product, Path, str]:
    """A year in which the session's model judges, and from a day on another one scores in shadow."""
    product, folder = deploy(2), tmp_path_factory.mktemp("shadow")
    good = read(models.folder / models.version)
    worse = third(good)
    for one in (good, worse):
        one.save(folder)
    lead = product.start("lead", models=str(folder)).wait_ready()
    assert product.run("model", "promote", models.version, "--at", "2024-01-01", models=str(folder)).code == 0
    sent = 2 + product.send(planted(product, 0, PUBLISHED))
    lead.wait_folded(sent)
    assert product.run("model", "publish", worse.manifest.version, models=str(folder)).code == 0
    alone = {"learn_action": "off", "retrain_days": "0"}  # those do cause something; here only the shadow is at work
    watch = product.start("models", models=str(folder), reports=str(folder / "reports"), **alone).wait_ready()
    watch.wait_for("leadkeeper_shadow_scores_total", 100)
    for first in range(PUBLISHED, DAYS, STEP):
        sent += product.send(planted(product, first, min(first + STEP, DAYS)))
        lead.wait_folded(sent)
        end = min(partition.state.now for partition in last_state(product))
        watch.wait_for("leadkeeper_shadow_time_seconds", end)
    assert watch.stop() == 0
    assert lead.stop() == 0
    return product, folder, worse.manifest.version


def test_it_says_what_the_challenger_would_of_the_state_as_it_is(run: tuple[Product, Path, str]) -> None:
    product, folder, version = run
    scorer = read(folder / version).scorer()
    newest = {(one.tenant, one.lead): one for one in said(product)}
    assert {one.model_version for one in newest.values()} == {version}
    checked = 0
    for partition in last_state(product):
        keys = [key for key in partition.table.index if partition.table.rows["events"][partition.table.index[key]]]
        rows = partition.table.at(np.array([partition.table.index[key] for key in keys]))
        p = scorer.score(vectors(rows, np.maximum(partition.state.now, rows["last"])))
        for key, risk in zip(keys, p.tolist(), strict=True):
            tenant, _, lead = key.decode().partition(":")
            assert newest[tenant, lead].probability == pytest.approx(risk, abs=0.021)
            checked += 1
    assert checked > 300


def test_all_leads_can_be_read_beside_the_workers(run: tuple[Product, Path, str]) -> None:
    """For drift: who could be judged now, as they are."""
    product, *_ = run
    now = asyncio.run(held(Settings(bootstrap=product.broker.bootstrap, topic_prefix=product.prefix), LABEL))
    found = []
    for partition in last_state(product):
        rows = partition.table.at(np.array(sorted(partition.table.index.values())))
        rows = rows[rows["last_key"] >= partition.state.now - (LABEL.eligible_days or 0) * DAY]
        found.append(vectors(rows, np.full(len(rows), partition.state.now)))
    wanted = np.concatenate(found)
    assert len(wanted) > 50
    assert sorted(row.tobytes() for row in now.x) == sorted(row.tobytes() for row in wanted)
    assert len(now.published) == len(now.x)


def test_it_causes_nothing(run: tuple[Product, Path, str]) -> None:
    product, folder, _ = run
    scorers = {one.name: read(one).scorer() for one in folder.iterdir() if (one / "manifest.json").exists()}
    inbox = product.inbox()
    assert sum(b'"activate"' in record.value for record in inbox) == product.partitions, "the promotion, and no more"
    wanted = oracle(inbox, 2, load_policy(POLICY_FILE), scorers=scorers)
    written = [record for topic in (*LEAD_AGENT_WRITES, EVENTS_DLQ) for record in product.records(topic)]
    verdict = judge(wanted, written, product.records(STATE), product.prefix)
    assert verdict.clean, verdict


def test_silent_leads_are_looked_at_as_time_passes(run: tuple[Product, Path, str]) -> None:
    product, *_ = run
    ends = START.timestamp() + DAYS * DAY
    late = [one for one in said(product) if one.at.timestamp() > ends - 60 * DAY]
    by_lead: dict[str, list[float]] = {}
    for one in late:
        by_lead.setdefault(one.lead, []).append(one.probability)
    assert any(len(risks) > 3 and risks == sorted(risks) for risks in by_lead.values()), "rising, without an event"


def test_it_is_compared_by_what_then_happened(run: tuple[Product, Path, str]) -> None:
    product, folder, version = run
    compared = partial(product.run, models=str(folder), reports=str(folder / "reports"))
    done = compared("model", "compare", version, "--shadow")
    assert done.code == 1, done
    assert f"{version} against what was told" in done.out
    assert "worse calibrated" in done.out
    unknown = compared("model", "compare", "m-none", "--shadow")
    assert unknown.code == 66
