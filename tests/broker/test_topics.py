"""What is wrong with topics is found before a worker starts, as far as the broker tells."""

from __future__ import annotations

import asyncio

import pytest

from agents.broker import EMBEDDED, probe
from agents.model_watch import say_what_is_kept
from agents.settings import ModelSettings
from agents.topics import check, configs_of, create, partitions_of, survey
from schemas import topics as names
from schemas.errors import Unavailable
from tests.brokers import Broker, Topics
from tests.polling import eventually_async

pytestmark = pytest.mark.broker


async def _created(topics: Topics, keep_days: int = 400) -> list[str]:
    """Create what is missing and wait until the broker shows all of it."""
    bootstrap = topics.broker.bootstrap
    made = await create(bootstrap, topics.prefix, 2, 1, event_time=False, keep_days=keep_days)

    async def shown() -> bool:
        return all((await partitions_of(bootstrap, [topics.name(topic.name) for topic in names.ALL])).values())

    await eventually_async(shown, what="all topics")
    return made


def test_what_create_makes_is_as_it_must_be(broker: Broker, topics: Topics) -> None:
    async def run() -> None:
        flavour = await probe(broker.bootstrap)
        assert len(await _created(topics)) == len(names.ALL)
        found = await survey(broker.bootstrap, topics.prefix, flavour, event_time=False)
        assert found[:2] == (2, [])
        assert bool(found.notes) == (flavour is EMBEDDED), "its timestamps are the senders', whatever its settings say"
        assert await survey(broker.bootstrap, topics.prefix, flavour, event_time=True) == (2, [], [])
        assert await check(broker.bootstrap, topics.prefix) == (2, [])

    asyncio.run(run())


def test_more_copies_than_brokers_are_refused_with_the_remedy(broker: Broker, topics: Topics) -> None:
    """The embedded broker takes any number."""
    if not broker.idempotence:
        pytest.skip("the embedded broker takes any number of copies")
    with pytest.raises(Unavailable, match=r"InvalidReplicationFactorError .*; say --replication with no more than"):
        asyncio.run(create(broker.bootstrap, topics.prefix, 2, 99, event_time=False))


def test_an_inbox_from_which_nothing_can_be_learned_is_told(
    broker: Broker, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        flavour = await probe(broker.bootstrap)
        await _created(topics, 30)
        found = await survey(broker.bootstrap, topics.prefix, flavour, event_time=True)
        assert found[:2] == (2, []), "nothing that a worker may not start on"
        kept = await configs_of(broker.bootstrap, [topics.name(names.EVENTS.name)])
        told = [note for note in found.notes if "is kept 30 days; training anew from it needs 98" in note]
        assert bool(told) == ("retention.ms" in kept[topics.name(names.EVENTS.name)])
        for days, warned in ((0.0, False), (7.0, bool(told))):
            caplog.clear()
            await say_what_is_kept(
                ModelSettings(bootstrap=broker.bootstrap, topic_prefix=topics.prefix, retrain_days=days)
            )
            assert ("is kept 30 days" in caplog.text) == warned, days

    asyncio.run(run())


def test_settings_that_lose_records_are_told(broker: Broker, topics: Topics) -> None:
    prefix = topics.prefix

    async def run() -> None:
        flavour = await probe(broker.bootstrap)
        made = {
            names.STATE: {"cleanup_policy": "delete"},
            names.LEDGER: {"cleanup_policy": "compact,delete"},
            names.EVENTS: {"cleanup_policy": "compact", "message_timestamp_type": "CreateTime"},
            names.DECISIONS: {"cleanup_policy": "delete", "max_message_bytes": "1000"},
        }
        for topic, config in made.items():
            topics.create(topic.name, 2, **config)
        await _created(topics)
        _, wrong, _ = await survey(broker.bootstrap, prefix, flavour, event_time=False)
        told = {(sentence.split()[0].removeprefix(prefix), sentence.split()[2].rstrip(":")) for sentence in wrong}
        assert told >= {
            ("lead.state", "cleanup.policy=delete"),
            ("couriers.ledger", "cleanup.policy=compact,delete"),
            ("lead.events", "cleanup.policy=compact"),
            ("lead.decisions", "max.message.bytes=1000"),
        }
        assert (("lead.events", "message.timestamp.type=CreateTime") in told) == (flavour is not EMBEDDED)
        assert ("policies", "cleanup.policy=compact") not in told
        assert all("; set " in sentence for sentence in wrong)
        _, replayed, _ = await survey(broker.bootstrap, prefix, flavour, event_time=True)
        assert not [sentence for sentence in replayed if "timestamp" in sentence]

    asyncio.run(run())


def test_a_missing_topic_and_unequal_partitions_are_told(broker: Broker, topics: Topics) -> None:
    async def run() -> None:
        topics.create(names.EVENTS.name, 2)
        topics.create(names.STATE.name, 3, cleanup_policy="compact")
        partitions, wrong = await check(broker.bootstrap, topics.prefix)
        assert partitions == 2
        assert any("lead.state has 3 partitions" in sentence for sentence in wrong)
        missing = [sentence for sentence in wrong if "does not exist: `leadkeeper topics create`" in sentence]
        assert len(missing) == len(names.ALL) - 2

    asyncio.run(run())
