"""How to get through to one lead, from the topics and its durable state; `streams.contacting` says what is worked out."""

from datetime import UTC, datetime
from typing import NamedTuple

from aiokafka import ConsumerRecord
from pydantic import TypeAdapter, ValidationError

from agents.reading import read_topics
from agents.topics import partitions_of
from agents.writer import partition_for
from schemas import topics
from schemas.decisions import Decided
from schemas.errors import Unavailable
from schemas.events import EVENT, Activity, is_activity
from schemas.outcomes import TRACKED, InterventionTracked
from schemas.policies import PUBLISHED
from schemas.weights import Weights, WeightsPublished
from streams.contacting import Contacting, contacting
from streams.env import EVERYONE
from streams.features import DAY
from streams.hours import DAYS
from streams.policy import Policy
from streams.record import LeadRecord
from streams.stage import ORDER
from streams.state import PARTITION_KEY, PartitionState, decode_lead, decode_partition, decode_record
from streams.vocabulary import Family, meaning
from streams.zone import zone_of

READS = (topics.EVENTS, topics.OUTCOMES, topics.DECISIONS, topics.STATE)
_DECIDED = TypeAdapter(Decided)


class Found(NamedTuple):
    """What is known, when, and the clock the lead lives by."""

    at: datetime
    zone: str
    contacting: Contacting


class Heard:
    """What the topics say of one lead.

    Args:
        key: of the lead.
        prefix: of the topics.
        policy: what kinds of events mean.
    """

    def __init__(self, key: bytes, prefix: str, policy: Policy) -> None:
        """Nothing yet."""
        self._key, self._prefix, self._policy = key, prefix, policy
        self.state, self.value = PartitionState(), b""
        self.activity: dict[str, Activity] = {}
        self.tracked: list[InterventionTracked] = []
        self.templates: dict[str, str] = {}

    def take(self, record: ConsumerRecord) -> None:
        """One record of the lead's partition. What cannot be read was dead-lettered, or is of another version."""
        topic = record.topic.removeprefix(self._prefix)
        if topic == topics.STATE.name and record.key == PARTITION_KEY and record.value:
            self.state = decode_partition(record.value)
        if record.key != self._key:
            return
        if topic == topics.STATE.name:
            self.value = record.value or b""
            return
        try:
            self._say(topic, record.value or b"")
        except ValidationError:
            return

    def _say(self, topic: str, value: bytes) -> None:
        if topic == topics.EVENTS.name:
            body = EVENT.validate_json(value)
            if is_activity(body):
                known = meaning(body, self._policy.kinds)
                if known.key or known.family in {Family.BROWSE, Family.UNANSWERED}:
                    self.activity[body.id] = body
        elif topic == topics.OUTCOMES.name:
            one = TRACKED.validate_json(value)
            if isinstance(one, InterventionTracked):
                self.tracked.append(one)
        else:
            decided = _DECIDED.validate_json(value)
            if decided.intervention and decided.template:
                self.templates[decided.intervention] = decided.template


async def find(bootstrap: str, prefix: str, tenant: str, lead: str, policy: Policy) -> Found | None:
    """Read everything about a lead; None where no state of it is held.

    Raises:
        Unavailable: The topics do not exist.
        StateUnreadable: The state was written by another version of this program.
    """
    key, names = f"{tenant}:{lead}".encode(), [prefix + topic.name for topic in READS]
    partitions = (await partitions_of(bootstrap, [names[-1]]))[names[-1]]
    if not partitions:
        raise Unavailable(f"topic {names[-1]} does not exist: `leadkeeper topics create`")
    heard = Heard(key, prefix, policy)
    async for record in read_topics(bootstrap, names, partition_for(key, partitions)):
        heard.take(record)
    if not heard.value:
        return None
    row, data = decode_lead(heard.value)
    held = decode_record(data) if data else LeadRecord()
    now, rules = max(heard.state.now, float(row["last"])), policy.quiet_hours
    zone = zone_of(held.profile, rules.regions, rules.timezone, now).name
    weights = await _weights(bootstrap, prefix, heard.state.weights, tenant)
    found = contacting(
        [one for one in heard.activity.values() if one.at.timestamp() > now - DAYS * DAY],
        heard.tracked,
        heard.templates,
        held.profile,
        zone,
        held.all_planned(),
        weights.channels.get(ORDER[int(row["stage"])], {}),
    )
    return Found(datetime.fromtimestamp(now, UTC), zone, found)


async def _weights(bootstrap: str, prefix: str, version: str, tenant: str) -> Weights:
    """What was learned and is in force on the lead's partition."""
    found = Weights()
    if not version:
        return found
    async for record in read_topics(bootstrap, [prefix + topics.POLICIES.name]):
        try:
            one = PUBLISHED.validate_json(record.value or b"")
        except ValidationError:
            continue
        if isinstance(one, WeightsPublished) and one.version == version:
            found = one.weights.get(tenant) or one.weights.get(EVERYONE) or found
    return found
