"""Creates the topics of `schemas.topics` and checks that what is there is what is needed."""

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from schemas import topics
from schemas.errors import Unavailable


async def create(bootstrap: str, prefix: str, partitions: int, replication: int, *, event_time: bool) -> list[str]:
    """Create what is missing; returns the names created.

    Args:
        bootstrap: `host:port[,host:port]`.
        prefix: Before every name.
        partitions: Of every topic; more lead agents than this have nothing to do.
        replication: Copies of each partition; 3 where there are three brokers.
        event_time: The inbox keeps the senders' timestamps (a replay brings its own time). Otherwise the broker stamps records,
            so that a sender with a wrong clock cannot move time.

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
            if event_time and "retention.ms" in config:
                config["retention.ms"] = "-1"  # by their own time a replay's records are years old
            requests.append(NewTopic(prefix + topic.name, partitions, replication, topic_configs=config))
        if requests:
            answer = await admin.create_topics(requests)
            for name, code, *rest in answer.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise Unavailable(
                        f"topic {name} was not created: {for_code(code).__name__} {rest[0] if rest else ''}"
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


async def check(bootstrap: str, prefix: str) -> tuple[int, list[str]]:
    """Look at all topics.

    Returns:
        The common number of partitions (0 if there is none) and what is wrong, in sentences with remedies.
    """
    found = await partitions_of(bootstrap, [prefix + t.name for t in topics.ALL])
    wrong = [f"{name} does not exist: `leadkeeper topics create`" for name, n in found.items() if not n]
    want = found[prefix + topics.EVENTS.name]
    wrong += [
        f"{name} has {n} partitions, {prefix}{topics.EVENTS.name} has {want}: they must be equal; recreate {name} with {want}"
        for name, n in found.items()
        if n and want and n != want
    ]
    return want, wrong
