"""What was learned is worked out from the topics, under the policies in force, and put in force by an order in the inbox.

By command (`leadkeeper learn publish`), and every night by `worker models`.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from agents import metrics
from agents.activate import Order, activate
from agents.habits import Habits
from agents.in_force import in_force
from agents.inbox_log import valid
from agents.learned import Learned, announcement, learn, read_log
from agents.settings import LeadSettings
from schemas.weights import WeightsPublished
from streams.policy import Policy

logger = logging.getLogger(__name__)
HEAD_START_S = 1.0
"""In which workers load what was announced, before it counts."""


async def learned_by(
    settings: LeadSettings, policies: Mapping[str, Policy], *, effects: bool = False
) -> Learned | None:
    """What the topics show under these policies (by tenant); None where nothing was tracked yet.

    Args:
        settings: Where the topics are.
        policies: By tenant; `*`: of those without their own.
        effects: Whether also what each playbook and campaign changes: for that, and for offers, all decisions are read.

    Raises:
        Unavailable: The topics do not exist.
    """
    decisions = effects or any(policy.offers for policy in policies.values())
    log = await read_log(settings.bootstrap, settings.topic_prefix, decisions=decisions)
    if log.until is None:
        return None
    events = await valid(settings) if any(policy.send_time for policy in policies.values()) else []
    return learn(log, Habits(events, policies, log.until), policies)


async def put_in_force(settings: LeadSettings, record: WeightsPublished, at: datetime) -> int:
    """Announce it, and tell all partitions; returns how many. Raises Unavailable."""
    order = Order(weights=record.version)
    return await activate(
        settings.bootstrap, settings.topic_prefix, at, order, announce=[record], head_start_s=HEAD_START_S
    )


async def learn_nightly(settings: LeadSettings, at: datetime) -> str | None:
    """Put in force what was learned by now; the version, or None where nothing new was, or no policy would use it.

    Raises:
        Unavailable: The topics do not exist, or do not hold what is in force.
    """
    now = await in_force(settings)
    version = None
    if any(policy.learns for policy in now.policies.values()):
        learned = await learned_by(settings, now.policies)
        record = announcement(learned) if learned else None
        if record is not None and record.weights != now.weights:
            partitions, version = await put_in_force(settings, record, at), record.version
            logger.info("%s is in force on %d partitions", version, partitions)
    metrics.LAST_LEARNED.set(datetime.now(UTC).timestamp())
    return version
