"""Creates the topics of `schemas.topics` and checks that what is there is what is needed."""

from collections.abc import Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidReplicationFactorError, KafkaError, TopicAlreadyExistsError, for_code

from agents.broker import EMBEDDED, BrokerFlavour
from agents.retention import kept_days, too_short
from schemas import topics
from schemas.errors import Unavailable
from streams.labels import Label


class Findings(NamedTuple):
    """What was found on a broker.

    Attributes:
        partitions: The common number of partitions; 0 when there is none.
        wrong: What no worker may start on, in sentences with remedies.
        notes: What is as it is, and worth knowing.
    """

    partitions: int
    wrong: list[str]
    notes: list[str]


async def create(
    bootstrap: str,
    prefix: str,
    partitions: int,
    replication: int,
    *,
    event_time: bool,
    keep_days: int = topics.EVENTS.keep_days or 0,
) -> list[str]:
    """Create what is missing; returns the names created.

    Args:
        bootstrap: `host:port[,host:port]`.
        prefix: Before every name.
        partitions: Of every topic; more lead agents than this have nothing to do.
        replication: Copies of each partition; 3 where there are three brokers.
        event_time: The inbox keeps the senders' timestamps (a replay brings its own time). Otherwise the broker stamps records,
            so that a sender with a wrong clock cannot move time.
        keep_days: So long the inbox is kept.

    Raises:
        Unavailable: The broker refused; says what and why.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        there = set(await admin.list_topics())
        missing = [t for t in topics.ALL if prefix + t.name not in there]
        requests = []
        for topic in missing:
            config = topic.config()
            if topic is topics.EVENTS:
                config["message.timestamp.type"] = "CreateTime" if event_time else "LogAppendTime"
                config["retention.ms"] = str(keep_days * topics.DAY_MS)
            if event_time and "retention.ms" in config:
                config["retention.ms"] = "-1"  # by their own time a replay's records are years old
            requests.append(NewTopic(prefix + topic.name, partitions, replication, topic_configs=config))
        if requests:
            answer = await admin.create_topics(requests)
            for name, code, *rest in answer.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    few = for_code(code) is InvalidReplicationFactorError
                    raise Unavailable(
                        f"topic {name} was not created: {for_code(code).__name__} {rest[0] if rest else ''}"
                        + ("; say --replication with no more than it has brokers" if few else "")
                    )
        return [prefix + t.name for t in missing]
    except KafkaError as error:
        raise Unavailable(f"topics could not be created at {bootstrap}: {error!r}") from error
    finally:
        await admin.close()


async def partitions_of(bootstrap: str, names: list[str]) -> dict[str, int]:
    """Number of partitions per topic; 0 where it does not exist."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        there = await consumer.topics()
        found = {}
        for name in names:
            if name in there:
                await consumer._client.add_topic(name)  # noqa: SLF001 - aiokafka knows partitions only of topics it follows
            found[name] = len(consumer.partitions_for_topic(name) or ()) if name in there else 0
        return found
    finally:
        await consumer.stop()


async def configs_of(bootstrap: str, names: list[str]) -> dict[str, dict[str, str]]:
    """Settings per topic, as far as the broker tells them; raises Unavailable when it does not answer."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        # All settings: asked for some of them, the embedded broker closes the connection.
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    except KafkaError as error:
        raise Unavailable(f"the settings of topics cannot be read at {bootstrap}: {error!r}") from error
    finally:
        await admin.close()
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for answer in answers
        for code, _, _, name, entries in answer.resources
        if not code
    }


async def survey(bootstrap: str, prefix: str, flavour: BrokerFlavour, *, event_time: bool) -> Findings:
    """Look at all topics and their settings.

    Args:
        bootstrap: `host:port[,host:port]`.
        prefix: Before every name.
        flavour: What `agents.broker.probe` said.
        event_time: Whether the inbox may keep the senders' timestamps (`LEADKEEPER_CLOCK=event`).
    """
    partitions, wrong, configs = await _look(bootstrap, prefix)
    inbox = configs.get(prefix + topics.EVENTS.name, {})
    stamp = inbox.get("message.timestamp.type")
    short = too_short(prefix + topics.EVENTS.name, kept_days(inbox), Label())
    notes = [short] if short else []
    if not event_time and flavour is EMBEDDED:
        notes.append("the embedded broker keeps the senders' timestamps: a sender with a wrong clock can move time")
    elif not event_time and stamp not in {None, "LogAppendTime"}:
        wrong.append(
            f"{prefix}{topics.EVENTS.name} has message.timestamp.type={stamp}: a sender with a wrong clock could move time; "
            "set LogAppendTime with kafka-configs.sh, or LEADKEEPER_CLOCK=event for a replay"
        )
    return Findings(partitions, wrong, notes)


async def check(bootstrap: str, prefix: str) -> tuple[int, list[str]]:
    """Look at all topics, whatever stamps their records.

    Returns:
        The common number of partitions (0 if there is none) and what is wrong, in sentences with remedies.
    """
    partitions, wrong, _ = await _look(bootstrap, prefix)
    return partitions, wrong


async def _look(bootstrap: str, prefix: str) -> tuple[int, list[str], dict[str, dict[str, str]]]:
    found = await partitions_of(bootstrap, [prefix + t.name for t in topics.ALL])
    wrong = [f"{name} does not exist: `leadkeeper topics create`" for name, n in found.items() if not n]
    want = found[prefix + topics.EVENTS.name]
    wrong += [
        f"{name} has {n} partitions, {prefix}{topics.EVENTS.name} has {want}: they must be equal; recreate {name} with {want}"
        for name, n in found.items()
        if n and want and n != want
    ]
    there = [name for name, n in found.items() if n]
    configs = await configs_of(bootstrap, there) if there else {}
    for topic in topics.ALL:
        wrong += _misfits(prefix + topic.name, topic, configs.get(prefix + topic.name, {}))
    return want, wrong, configs


def _misfits(name: str, topic: topics.Topic, config: Mapping[str, str]) -> list[str]:
    """Settings that lose records. Those of retention are the operator's to choose, and what is not told is not judged."""
    wrong, wanted = [], topic.config()
    cleanup = config.get("cleanup.policy")
    keeps = {"compact"} if topic.keep_days is None else {"delete"} if topic is topics.EVENTS else None
    if cleanup is not None and keeps is not None and set(cleanup.replace(" ", "").split(",")) != keeps:
        wrong.append(
            f"{name} has cleanup.policy={cleanup}: records that are needed would be deleted; "
            f"set {wanted['cleanup.policy']} with kafka-configs.sh"
        )
    most, want = config.get("max.message.bytes"), wanted["max.message.bytes"]
    if most is not None and int(most) < int(want):
        wrong.append(
            f"{name} has max.message.bytes={most}: large records would be refused; set {want} with kafka-configs.sh"
        )
    return wrong
