"""Whether batch and stream agree: a log folded in rounds, as live, and read in one go, as in training, gives the same leads.

Both use one feature table and one `vectors`, so what this can find is a message that one of the two reads otherwise.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agents.logged import LoggedEvent
from agents.sentiment import reader_of
from agents.snapshots import ActivityLog
from streams.env import EVERYONE, Env
from streams.features import Floats, Rows
from streams.lead import Message, fold
from streams.partition import Partition
from streams.policy import Policy
from streams.risk import Scorer
from streams.vector import NAMES, vectors
from streams.vocabulary import ReadMood

TOLERANCE = 1e-6
ROUND = 1_000


class Agreement(NamedTuple):
    """How far the two are apart at one time: the largest difference of a feature (and which), and of a probability."""

    leads: int
    gone: int
    """Leads that the stream has forgotten by then, or whose beginning the log has, and of which nothing is compared."""
    feature: str
    feature_apart: float
    score_apart: float

    @property
    def agree(self) -> bool:
        """To the sixth decimal."""
        return self.leads > 0 and max(self.feature_apart, self.score_apart) <= TOLERANCE


def agreement(events: Sequence[LoggedEvent], policy: Policy, scorer: Scorer, at: float) -> Agreement:
    """Fold what was known before a time both ways and compare every lead of whom there was a sign of life.

    Args:
        events: a log, in any order; each is folded at the time at which it was known.
        policy: what the events mean.
        scorer: whose probabilities are compared.
        at: epoch seconds.
    """
    known = sorted((one for one in events if one.known_ms / 1000 < at), key=lambda one: one.known_ms)
    read_mood = reader_of(policy.language)
    moods: dict[str, ReadMood] = {policy.language: read_mood} if policy.language and read_mood else {}
    partition, env = Partition(0), Env({"": {EVERYONE: policy}}, {"": scorer}, moods=moods)
    messages = [Message(i, one.timestamp_ms or one.at_ms, one.key, one.value) for i, one in enumerate(known)]
    for start in range(0, len(messages), ROUND):
        fold(partition, messages[start : start + ROUND], env)
    log = ActivityLog.read(known, policy)
    rows = log.known_rows(at)
    there = np.array([i for i, key in enumerate(log.keys) if rows["events"][i] and key in partition.table.index], int)
    gone = int((rows["events"] > 0).sum()) - len(there)
    live = partition.table.rows[[partition.table.index[log.keys[i]] for i in there.tolist()]]
    return held_against(live, rows[there], np.full(len(there), at), scorer, gone)


def held_against(live: Rows, read: Rows, now: Floats, scorer: Scorer, gone: int) -> Agreement:
    """Rows as the stream has them and as they are read from the log, the same leads in the same order, at these times."""
    if not len(live):
        return Agreement(0, gone, "", 0.0, 0.0)
    stream, batch = vectors(live, now), vectors(read, now)
    apart = np.where(np.isnan(stream) & np.isnan(batch), 0.0, np.abs(stream - batch))
    worst = np.nanmax(np.where(np.isnan(apart), np.inf, apart), axis=0)
    scores = np.abs(scorer.score(stream) - scorer.score(batch))
    return Agreement(len(live), gone, NAMES[int(worst.argmax())], float(worst.max()), float(scores.max()))
