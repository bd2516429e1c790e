"""Notes when assessments and commands arrive, in a process of its own, until SIGTERM; then writes them as arrays.

`assessed`: number of the event, arrival, partition, version of the model (its CRC-32). `commanded`: number of the lead, arrival.
Times are monotonic seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import time
from zlib import crc32

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas import topics
from schemas.units import Channel
from tests.bench.sender import SERIAL

_CAUSE, _LEAD, _MODEL = b'"cause":"evt-', b'"lead":"L-', b'"model_version":"'


async def _main(args: argparse.Namespace) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    assessments = args.prefix + topics.ASSESSMENTS.name
    commands = args.prefix + topics.INTERVENTIONS[Channel.AGENT_ALERT].name
    reader = AIOKafkaConsumer(
        bootstrap_servers=args.bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=args.wait_ms,
        isolation_level="read_committed",
    )
    await reader.start()
    reader.assign([TopicPartition(topic, p) for topic in (assessments, commands) for p in range(args.partitions)])
    assessed: list[tuple[int, float, int, int]] = []
    commanded: list[tuple[int, float]] = []
    while not stop.is_set():
        batches = await reader.getmany(timeout_ms=100)
        arrived = time.monotonic()
        for tp, batch in batches.items():
            for record in batch:
                value = record.value
                if tp.topic == commands:
                    start = value.index(_LEAD) + len(_LEAD)
                    commanded.append((int(value[start : start + 7]), arrived))
                elif (start := value.find(_CAUSE)) >= 0:
                    start += len(_CAUSE)
                    named = value.index(_MODEL) + len(_MODEL)
                    version = crc32(value[named : value.index(b'"', named)])
                    assessed.append((int(value[start : start + 12], 16) - SERIAL, arrived, tp.partition, version))
    await reader.stop()
    np.savez(args.out, assessed=np.array(assessed), commanded=np.array(commanded))


def main() -> None:
    """Read until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bootstrap", "prefix", "out"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("partitions", "wait-ms"):
        parser.add_argument(f"--{name}", type=int, required=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
