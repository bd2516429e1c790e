"""An inbox that lost its beginning: what retention deleted, the workers still know of, and training does not.

A worker's counters of a lead go back to its first event. Learned from what is left of the log, the same lead begins later: its
events, money and span of history are lower than when it is judged, and a lead that said nothing since is not there at all.
"""

from collections.abc import Mapping

from agents.snapshots import ActivityLog, Bygone
from streams.features import Rows


def bygone(log: ActivityLog, deleted: int, state: Mapping[bytes, Rows] | None) -> Bygone:
    """What of the log's leads is older than the log.

    Args:
        log: what is left.
        deleted: messages that are no longer there.
        state: rows of `lead.state` by key; None: not to be had.
    """
    if state is None:
        return Bygone(deleted, None)
    rows = log.known_rows(float("inf"))
    first = {key: float(rows["first"][i]) for i, key in enumerate(log.keys) if rows["events"][i]}
    older = sum(first.get(key, float("inf")) > row["first"][0] for key, row in state.items())
    return Bygone(deleted, int(older))


def in_words(found: Bygone | None) -> list[str]:
    """A warning for the card; nothing where the log has its beginning."""
    if found is None:
        return []
    who = (
        "how many leads began before is not known, since lead.state could not be read"
        if found.leads is None
        else f"{found.leads:,} leads that the workers know began before"
    )
    told = (
        f"The log has lost its beginning: {found.deleted:,} messages were deleted before it was read, and {who}. The workers "
        "count from a lead's first message, this model learned from what is left, so events, money and history of such a lead "
        "are higher when it is judged than when it was learned from. Keep the inbox for longer than leads live "
        "(`leadkeeper topics create --keep-days`), or train from files that go back further."
    )
    return [told]
