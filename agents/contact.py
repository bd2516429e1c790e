"""How to get through to one lead, from the topics and its durable state; `streams.contacting` says what is worked out."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

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
from streams.accuracy import Accuracy, HourOf, accuracy
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

READS = (topics.EVENTS, topics.DECISIONS, topics.STATE)
"""After the outcomes, which tell which leads were written to: of the others nothing else is asked."""
_DECIDED = TypeAdapter(Decided)


class Found(NamedTuple):
    """What is known, when, the clock the lead lives by, and how right such tellings were of the tenant's leads on its partition."""

    at: datetime
    zone: str
    contacting: Contacting
    accuracy: Accuracy


class Heard:
    """What the topics say of one lead, and of those of its tenant and partition that were written to.

    Args:
        key: of the lead.
        prefix: of the topics.
        policy: what kinds of events mean.
    """

    def __init__(self, key: bytes, prefix: str, policy: Policy) -> None:
        """Nothing yet."""
        self._key, self._prefix, self._policy = key, prefix, policy
        self._tenant = key[: key.index(b":") + 1]
        self.state = PartitionState()
        self.values: dict[bytes, bytes] = {}
        self.activity: dict[str, Activity] = {}
        self.times: dict[bytes, dict[str, float]] = defaultdict(dict)
        self.tracked: dict[bytes, list[InterventionTracked]] = defaultdict(list)
        self.templates: dict[str, str] = {}

    def take(self, record: ConsumerRecord) -> None:
        """One record of the lead's partition. What cannot be read was dead-lettered, or is of another version."""
        topic = record.topic.removeprefix(self._prefix)
        if topic == topics.STATE.name and record.key == PARTITION_KEY and record.value:
            self.state = decode_partition(record.value)
        key = record.key or b""
        if topic == topics.OUTCOMES.name:
            if not key.startswith(self._tenant):
                return
        elif key != self._key and key not in self.tracked:
            return
        if topic == topics.STATE.name:
            self.values[key] = record.value or b""
            return
        try:
            self._say(topic, key, record.value or b"")
        except ValidationError:
            return

    def _say(self, topic: str, key: bytes, value: bytes) -> None:
        if topic == topics.EVENTS.name:
            body = EVENT.validate_json(value)
            if is_activity(body):
                known = meaning(body, self._policy.kinds)
                if known.key or known.family in {Family.BROWSE, Family.UNANSWERED}:
                    self.times[key][body.id] = body.at.timestamp()
                    if key == self._key:
                        self.activity[body.id] = body
        elif topic == topics.OUTCOMES.name:
            one = TRACKED.validate_json(value)
            if isinstance(one, InterventionTracked):
                self.tracked[key].append(one)
        elif key == self._key:
            decided = _DECIDED.validate_json(value)
            if decided.intervention and decided.template:
                self.templates[decided.intervention] = decided.template

    def accuracy(self) -> Accuracy:
        """How right it was what was told of these leads."""
        rules, clocks = self._policy.quiet_hours, dict[str, HourOf]()
        for key in self.tracked:
            if value := self.values.get(key):
                row, data = decode_lead(value)
                profile = decode_record(data).profile if data else LeadRecord().profile
                zone = zone_of(profile, rules.regions, rules.timezone, float(row["last"])).name
                clocks[_name(key)] = _clock(zone)
        tracked = [one for ones in self.tracked.values() for one in ones]
        return accuracy(tracked, {_name(key): list(times.values()) for key, times in self.times.items()}, clocks)


def _name(key: bytes) -> str:
    return key.decode().partition(":")[2]


def _clock(name: str) -> HourOf:
    zone = ZoneInfo(name)
    return lambda at: datetime.fromtimestamp(at, UTC).astimezone(zone).hour


def actions_of(policy: Policy) -> Mapping[tuple[str, str], str]:
    """What kind of content each step brings, by its campaign or stage, and its name."""
    return {(str(place[1]), step.name): step.action for place, plan in policy.programmes() for step in plan.steps}


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
    for some in ([prefix + topics.OUTCOMES.name], names):
        async for record in read_topics(bootstrap, some, partition_for(key, partitions)):
            heard.take(record)
    if not (value := heard.values.get(key)):
        return None
    row, data = decode_lead(value)
    held = decode_record(data) if data else LeadRecord()
    now, rules = max(heard.state.now, float(row["last"])), policy.quiet_hours
    zone = zone_of(held.profile, rules.regions, rules.timezone, now).name
    weights = await _weights(bootstrap, prefix, heard.state.weights, tenant)
    found = contacting(
        [one for one in heard.activity.values() if one.at.timestamp() > now - DAYS * DAY],
        heard.tracked.get(key, []),
        heard.templates,
        held.profile,
        zone,
        held.all_planned(),
        weights.channels.get(ORDER[int(row["stage"])], {}),
        actions_of(policy),
    )
    return Found(datetime.fromtimestamp(now, UTC), zone, found, heard.accuracy())


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
