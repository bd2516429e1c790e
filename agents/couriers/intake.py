"""Has everything that was in the log at the start been read? Until then nothing is sent.

A withdrawal may lie far behind its delivery in a backlog. Sending while catching up would contact a lead that has opted
out long ago, so the deliveries of a backlog are put off until its end has been seen.
"""

from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition


class Backlog:
    """Per partition, the offset up to which the log went when the partition was assigned.

    Args:
        bootstrap: `host:port[,host:port]`.
        group: The courier's consumer group, for its committed offsets.
    """

    def __init__(self, bootstrap: str, group: str) -> None:
        """Start with nothing assigned."""
        self._bootstrap, self._group = bootstrap, group
        self._open: dict[TopicPartition, int] = {}

    async def look(self, tps: Iterable[TopicPartition]) -> None:
        """Ask the broker where the partitions end and where the group stands."""
        wanted = [TopicPartition(*tp) for tp in tps]
        self._open = {}
        if not wanted:
            return
        reader = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, group_id=self._group, enable_auto_commit=False)
        await reader.start()
        try:
            starts = await reader.beginning_offsets(wanted)
            ends = await reader.end_offsets(wanted)
            for tp in wanted:
                # Retention may have deleted what was not read: then the log begins after the committed offset.
                start = max(await reader.committed(tp) or 0, starts[tp])
                if start < ends[tp]:
                    self._open[tp] = ends[tp]
        finally:
            await reader.stop()

    def read(self, tp: TopicPartition, end: int) -> None:
        """Note that a partition is being worked on up to (without) an offset."""
        if end >= self._open.get(TopicPartition(*tp), 0):
            self._open.pop(TopicPartition(*tp), None)

    def behind(self, partition: int) -> bool:
        """Whether a partition still has unread records from before its assignment."""
        return any(tp.partition == partition for tp in self._open)
