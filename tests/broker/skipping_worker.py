"""A worker whose fetch position jumps ahead again and again, as when fetched records get lost around a rebalance."""

from __future__ import annotations

from agents.lane import Lane, Round
from tests.broker.count_worker import CountJob, run

_SKIPPED = 3


class SkippingJob(CountJob):
    """Moves the fetcher behind the lane's back; the lane has to notice and to fetch again."""

    async def setup(self, lane: Lane) -> None:
        """Jump on every partition that has more to read."""
        await super().setup(lane)
        lane.every(0.05, self._skip)

    async def _skip(self, _: Round, lane: Lane) -> None:
        expected = {tp: lane.next_offset(tp) for tp in lane.owned()}
        behind = lane._thread.lags(expected)
        await lane._thread.seek_all({tp: expected[tp] + _SKIPPED for tp in expected if behind[tp] > _SKIPPED})


if __name__ == "__main__":
    run(SkippingJob)
