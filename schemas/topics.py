"""The only place where a topic is named: what it carries, who writes it, how long it is kept.

All topics of one deployment have the same number of partitions, so a record and everything that follows from it
share a partition number; but for `policies` and `suppressions`, which everybody reads whole. Keys are partitioned with
murmur2 (the default of Java and aiokafka producers).
"""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

from schemas.assessments import LeadAssessed
from schemas.commands import COMMAND
from schemas.dead_letters import DeadLetter
from schemas.decisions import Decided
from schemas.escalations import LeadEscalated
from schemas.events import EVENT
from schemas.ledger import LedgerEntry
from schemas.outcomes import TRACKED
from schemas.policies import PUBLISHED
from schemas.shadow import ShadowScored
from schemas.suppressions import AddressSuppressed
from schemas.units import Channel

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Topic:
    """One topic. `keep_days` None means for ever (compacted)."""

    name: str
    key: str
    writer: str
    cleanup: Literal["delete", "compact", "compact,delete"]
    keep_days: int | None
    meaning: str
    schema: TypeAdapter[Any] | None
    max_bytes: int = 1_048_576

    def config(self) -> dict[str, str]:
        """Broker settings to create it with."""
        settings = {"cleanup.policy": self.cleanup, "max.message.bytes": str(self.max_bytes + 65_536)}
        if self.keep_days is not None:
            settings["retention.ms"] = str(self.keep_days * DAY_MS)
        return settings


EVENTS = Topic(
    "lead.events", "tenant:lead", "producers, couriers, clock", "delete", 30,
    "the inbox: everything that can change what we think of a lead", EVENT,
)  # fmt: skip
STATE = Topic(
    "lead.state", "tenant:lead", "lead agent", "compact", None,
    "durable state of each lead, private to the lead agent (binary)", None,
)  # fmt: skip
ASSESSMENTS = Topic(
    "lead.assessments", "tenant:lead", "lead agent", "compact,delete", 180,
    "who is at risk, why, since when", TypeAdapter(LeadAssessed),
)  # fmt: skip
DECISIONS = Topic(
    "lead.decisions", "tenant:lead", "lead agent", "delete", 180,
    "every decision, also every non-send, with its reason", TypeAdapter(Decided),
)  # fmt: skip
ESCALATIONS = Topic(
    "escalations", "tenant:lead", "lead agent", "delete", 180,
    "to whom, why, how urgent, with context", TypeAdapter(LeadEscalated),
)  # fmt: skip
OUTCOMES = Topic(
    "analytics.outcomes", "tenant:lead", "lead agent", "delete", 180,
    "lifecycle and final outcome of interventions and churn episodes", TRACKED,
)  # fmt: skip
SHADOW = Topic(
    "lead.shadow", "tenant:lead", "models worker", "delete", 180,
    "what a published model that is not in force thinks of leads; nothing follows from it", TypeAdapter(ShadowScored),
)  # fmt: skip
LEDGER = Topic(
    "couriers.ledger", "intervention id", "couriers", "compact", None,
    "the truth about sends: claimed, sent, rejected, retried, in doubt", TypeAdapter(LedgerEntry),
)  # fmt: skip
POLICIES = Topic(
    "policies", "tenant:type:version", "operators, trainer; marks of lead agents", "compact", None,
    "policy versions, whole models, what was learned, and which model was put in force when", PUBLISHED,
)  # fmt: skip
SUPPRESSIONS = Topic(
    "suppressions", "tenant:channel:hash:cause", "lead agent", "compact", None,
    "addresses that may not be written to, as keyed hashes", TypeAdapter(AddressSuppressed),
)  # fmt: skip
INTERVENTIONS = {
    channel: Topic(
        f"interventions.{channel}",
        "tenant:lead",
        "lead agent",
        "delete",
        7,
        f"commands for the {channel} channel",
        COMMAND,
    )
    for channel in Channel
}


def dead_letters_of(topic: Topic) -> Topic:
    """The dead-letter topic of a topic: raw bytes, with the reason in the headers."""
    return Topic(
        f"{topic.name}.dlq", "original", f"readers of {topic.name}", "delete", 14,
        f"records of {topic.name} that could not be used", TypeAdapter(DeadLetter), topic.max_bytes,
    )  # fmt: skip


EVENTS_DLQ = dead_letters_of(EVENTS)
INTERVENTIONS_DLQ = {channel: dead_letters_of(topic) for channel, topic in INTERVENTIONS.items()}
LEAD_AGENT_WRITES = (ASSESSMENTS, DECISIONS, ESCALATIONS, OUTCOMES, SUPPRESSIONS, *INTERVENTIONS.values())
ALL: tuple[Topic, ...] = (
    EVENTS, EVENTS_DLQ, STATE, ASSESSMENTS, DECISIONS, ESCALATIONS, OUTCOMES, SHADOW, LEDGER, POLICIES, SUPPRESSIONS,
    *INTERVENTIONS.values(), *INTERVENTIONS_DLQ.values(),
)  # fmt: skip
