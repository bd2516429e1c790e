"""What is learned and graded comes from the topics alone: no file, no worker has to be there."""

import asyncio
import json
import re
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from agents.inbox_log import inbox, valid
from agents.meanings import vocabulary_of
from agents.settings import LeadSettings
from agents.writer import Out, partition_for
from schemas.errors import Rejected, RejectReason
from schemas.policies import PolicyPublished, key_of
from schemas.topics import EVENTS, EVENTS_DLQ, POLICIES, STATE
from streams.lead import Message, dead_letter
from streams.policy import Policy
from streams.state import PARTITION_KEY, PartitionState, encode_partition
from tests.acceptance.conftest import Deploy, Models
from tests.acceptance.product import Product
from tests.planted import POLICY, START, message, planted_log

OTHERS = POLICY.model_copy(update={"version": "7"})
OWN = Policy.model_validate(OTHERS.model_dump() | {"vocabulary": {"tasted": {"family": "intent", "key": True}}})


def test_a_model_from_the_inbox_is_as_good_as_one_from_a_file(deploy: Deploy, models: Models, tmp_path: Path) -> None:
    """Among garbage, by the time at which the broker had each record, and under the policies in force, whatever files say."""
    product = deploy(2)
    _put_in_force(product)
    records = [Out(product.topic(EVENTS), 0, b"t:L0", b"garbage", 1_700_000_000_000)]
    for sent in planted_log():
        partition = partition_for(sent.key, product.partitions)
        records.append(Out(product.topic(EVENTS), partition, sent.key, sent.value, sent.at_ms))
    product.send(records + _what_teaches_nothing(product))
    mapping = tmp_path / "planted.toml"
    mapping.write_text((models.folder.parent / "planted.toml").read_text())
    done = product.run("train", "--from-kafka", "--mapping", str(mapping), models=str(tmp_path / "models"))
    assert done.code == 0, done.err
    (manifest,) = (json.loads(path.read_text()) for path in (tmp_path / "models").glob("*/manifest.json"))
    known = json.loads((models.folder / models.version / "manifest.json").read_text())
    assert manifest["trained"]["train"] == known["trained"]["train"]
    assert manifest["trained"]["bygone"] is None, "the inbox has its beginning"
    assert manifest["vocabulary"] == vocabulary_of(OWN), "of the tenant's policy in force"
    settings = LeadSettings(bootstrap=product.broker.bootstrap, topic_prefix=product.prefix)
    kept = [(one.key, one.value) for one in asyncio.run(valid(settings))]
    assert sorted(kept) == sorted((sent.key, sent.value) for sent in planted_log())
    assert abs(manifest["tested"]["model"]["auc"] - known["tested"]["model"]["auc"]) < 0.01

    if product.broker.kind != "embedded":  # which cannot delete records
        asyncio.run(_without_its_beginning(product))

    graded = product.run("model", "grade", models=str(tmp_path / "models"))
    assert graded.code == 66
    assert re.search(r"no assessment by the rule scorer", graded.err)


def _put_in_force(product: Product) -> None:
    """Policies as the workers that are no more have left them."""
    said = START.replace(year=2023)
    published = [
        PolicyPublished(id=f"p-{one.name}-{i}", tenant=whose, at=said, version="7", policy=one.model_dump(mode="json"))
        for i, (whose, one) in enumerate((("*", OTHERS), ("t", OWN)))
    ]
    state = encode_partition(PartitionState(policy="7", activated=said.timestamp()))
    product.send(
        [Out(product.topic(POLICIES), 0, key_of(one), one.model_dump_json().encode(), 1) for one in published]
        + [Out(product.topic(STATE), 0, PARTITION_KEY, state, 1)]
    )


def _what_teaches_nothing(product: Product) -> list[Out]:
    """A lead that is erased, what comes under another's key, and a purchase that was dead-lettered."""
    nobody = [message(9_001, 10.0 * i, "purchase_completed", i, amount_cents=100) for i in range(30)]
    nobody.append(message(9_001, 301.0, "erase_lead", 0, by="them"))
    others = [one._replace(key=b"t:L0") for one in nobody[:5]]
    refused = message(9_002, 1.0, "purchase_completed", 0, amount_cents=100)
    last = Out(product.topic(EVENTS), 0, refused.key, refused.value, refused.at_ms)
    rest = [Out(product.topic(EVENTS), 1, one.key, one.value, one.at_ms) for one in (*nobody, *others)]
    where = 1 + sum(partition_for(sent.key, product.partitions) == 0 for sent in planted_log())
    letter = dead_letter(
        0, Message(where, refused.at_ms, refused.key, refused.value), Rejected(RejectReason.CRASH, "", "", "")
    )
    return [last, *rest, Out(product.topic(EVENTS_DLQ), 0, letter.key, letter.value, refused.at_ms, letter.headers)]


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
