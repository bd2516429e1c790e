"""What a lead agent tells of itself: metrics of its rounds, and how far it is."""

import time
from collections import Counter
from collections.abc import Iterable

from agents import metrics
from agents.arrival import arrived
from agents.rounds import Round
from agents.tally import count_tally
from streams.partition import Folded, Partition


class LeadFigures:
    """Counts rounds that were written. `live`: events are stamped by a clock, so that a command's delay means something."""

    def __init__(self, *, live: bool) -> None:
        """Nothing was counted."""
        self._live = live
        self._sent: Counter[str] = Counter()

    def count(self, round_: Round, folded: Iterable[Folded]) -> None:
        """Add a round and what it led to."""
        before = self._sent.total()
        for result in folded:
            count_tally(result.tally)
            self._sent.update({key[3]: n for key, n in result.tally.items() if key[:2] == ("decided", "sent")})
        if self._sent.total() > before:
            now = time.time()
            for batch in round_.batches.values():
                came = next((at for record in batch if (at := arrived(record, live=self._live)) is not None), None)
                if came is not None:
                    metrics.COMMAND_LATENCY.observe(max(now - came, 0.0))

    def progress(self, owned: Iterable[Partition]) -> dict[str, float]:
        """Stream time of the partition that is least far, and commands so far by channel."""
        now = min((partition.state.now for partition in owned), default=0.0)
        return {"stream_time": now, **{f"sent_{channel}": n for channel, n in self._sent.items()}}


def export_leads(owned: Iterable[Partition]) -> None:
    """Set the metrics of the partitions that this worker owns, and of no others."""
    metrics.LEADS.clear()
    metrics.STREAM_TIME.clear()
    for partition in owned:
        metrics.LEADS.labels(str(partition.number)).set(len(partition.table))
        metrics.STREAM_TIME.labels(str(partition.number)).set(partition.state.now)
