"""What is learned and graded comes from the topics alone: no file, no worker has to be there."""

import asyncio
import json
import re
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from agents.inbox_log import inbox
from agents.settings import LeadSettings
from agents.writer import Out, partition_for
from schemas.topics import EVENTS
from tests.acceptance.conftest import Deploy, Models
from tests.acceptance.product import Product
from tests.planted import POLICY, planted_log


def test_a_model_from_the_inbox_is_as_good_as_one_from_a_file(deploy: Deploy, models: Models, tmp_path: Path) -> None:
    """Among garbage, and by the time at which the broker had each record."""
    product = deploy(2)
    records = [Out(product.topic(EVENTS), 0, b"t:L0", b"garbage", 1_700_000_000_000)]
    for sent in planted_log():
        partition = partition_for(sent.key, product.partitions)
        records.append(Out(product.topic(EVENTS), partition, sent.key, sent.value, sent.at_ms))
    product.send(records)
    mapping = tmp_path / "planted.toml"
    mapping.write_text((models.folder.parent / "planted.toml").read_text())
    done = product.run("train", "--from-kafka", "--mapping", str(mapping), models=str(tmp_path / "models"))
    assert done.code == 0, done.err
    (manifest,) = (json.loads(path.read_text()) for path in (tmp_path / "models").glob("*/manifest.json"))
    known = json.loads((models.folder / models.version / "manifest.json").read_text())
    assert manifest["trained"]["train"] == known["trained"]["train"]
    assert manifest["trained"]["bygone"] is None, "the inbox has its beginning"
    assert abs(manifest["tested"]["model"]["auc"] - known["tested"]["model"]["auc"]) < 0.01

    if product.broker.kind != "embedded":  # which cannot delete records
        asyncio.run(_without_its_beginning(product))

    graded = product.run("model", "grade", models=str(tmp_path / "models"))
    assert graded.code == 66
    assert re.search(r"no assessment by the rule scorer", graded.err)


async def _without_its_beginning(product: Product) -> None:
    """What retention does, at once: the first records of a partition are gone, and the log says how many."""
    admin = AIOKafkaAdminClient(bootstrap_servers=product.broker.bootstrap)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(product.topic(EVENTS), 1): RecordsToDelete(before_offset=25)})
    finally:
        await admin.close()
    settings = LeadSettings(bootstrap=product.broker.bootstrap, topic_prefix=product.prefix)
    log = await inbox(settings, POLICY)
    assert log.bygone == (25, 0), "no worker ran, so that nobody knows of anything older"
    assert len(log) == len(planted_log()) - 25


def test_files_and_topics_exclude_each_other(tmp_path: Path, deploy: Deploy) -> None:
    product = deploy(2)
    log = tmp_path / "log.csv"
    log.write_text("a\n1\n")
    for words in (("train",), ("train", str(log)), ("train", str(log), "--from-kafka", "--mapping", "cdnow")):
        done = product.run(*words)
        assert (done.code, "give files and --mapping, or --from-kafka" in done.err) == (64, True)
