"""The same question asked of a running system: are the leads in `lead.state` what `lead.events` says of them?

Of each lead the events count up to the one that its state has seen (its guard); what was dead-lettered did not happen. Leads
are left out whose beginning the inbox does not hold any more, or which were forgotten in between and came again.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from aiokafka import ConsumerRecord

from agents import metrics
from agents.agreement import Agreement, held_against
from agents.in_force import in_force
from agents.inbox_log import Received, valid
from agents.lead_state import State, read_state
from agents.registry import read_registry
from agents.retraining import champion_of
from agents.settings import LeadSettings, Settings
from agents.snapshots import ActivityLog
from streams.env import EVERYONE
from streams.features import ROW, Floats, Rows
from streams.partition import EPOCH_BITS
from streams.policy import Policy
from streams.risk import RuleScorer, Scorer

logger = logging.getLogger(__name__)
OFFSET = (1 << EPOCH_BITS) - 1
"""The part of a guard that is the offset; above it is the log's epoch."""


async def live_agreement(settings: Settings, policies: Mapping[str, Policy], scorer: Scorer) -> Agreement:
    """Hold the state of a running system against its inbox.

    Args:
        settings: where they are.
        policies: what events mean, by tenant; `*`: of all others.
        scorer: whose probabilities are compared.

    Raises:
        Unavailable: a topic does not exist.
        StateUnreadable: the state was written by another version of this program.
    """
    state = await read_state(settings)  # first: what comes in meanwhile is beyond its guards
    events = await _events(settings, state)
    pieces = [
        compared(events_of, policies.get(tenant) or policies[EVERYONE], state) for tenant, events_of in events.items()
    ]
    live = np.concatenate([np.zeros(0, ROW), *(piece[0] for piece in pieces)])
    read = np.concatenate([np.zeros(0, ROW), *(piece[1] for piece in pieces)])
    now = np.concatenate([np.zeros(0), *(piece[2] for piece in pieces)])
    return held_against(live, read, now, scorer, len(state.rows) - len(live))


async def hold_state_against_inbox(settings: LeadSettings) -> Agreement:
    """The job of every night: the same by the model and under the policies in force, told as metrics and in the log.

    Raises:
        LeadkeeperError: A topic, or what is in force, cannot be read.
    """
    judge = champion_of(settings, await read_registry(settings.bootstrap, settings.topic_prefix)) or RuleScorer()
    held = await live_agreement(settings, (await in_force(settings)).policies, judge)
    metrics.AGREEMENT.labels("feature").set(held.feature_apart)
    metrics.AGREEMENT.labels("probability").set(held.score_apart)
    if held.agree or not held.leads:
        logger.info(
            "lead.state and lead.events agree on %d leads by %s, %d could not be compared",
            held.leads, judge.version, held.gone,
        )  # fmt: skip
    else:
        logger.warning(
            "lead.state and lead.events differ: %s by %g, a probability by %g, over %d leads; an event was read otherwise, or "
            "a policy gave events another meaning since: `leadkeeper model agree --from-kafka`",
            held.feature, held.feature_apart, held.score_apart, held.leads,
        )  # fmt: skip
    return held


async def _events(settings: Settings, state: State) -> dict[str, list[Received]]:
    """What the inbox holds of these leads up to their guards, by tenant."""

    def seen(record: ConsumerRecord) -> bool:
        row = state.rows.get(record.key or b"")
        return row is not None and record.offset <= int(row["guard"][0]) & OFFSET

    found: dict[str, list[Received]] = defaultdict(list)
    for one in await valid(settings, seen):
        found[one.key.decode().partition(":")[0]].append(one)
    return found


def compared(records: list[Received], policy: Policy, state: State) -> tuple[Rows, Rows, Floats]:
    """Rows of the state and of the log, of the leads of whom the log has the beginning; and their times."""
    log = ActivityLog.read(records, policy)
    rows = log.known_rows(np.inf)
    whole = [i for i, key in enumerate(log.keys) if rows["first"][i] == state.rows[key]["first"][0]]
    live = np.concatenate([np.zeros(0, ROW), *(state.rows[log.keys[i]] for i in whole)])
    return live, rows[np.array(whole, np.int64)], np.array([state.now[log.keys[i]] for i in whole])
