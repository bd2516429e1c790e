"""A worker process that runs the count job on the lane; the fault test kills and pauses several of these.

Prints its figures as one JSON line per second when ``--figures`` is given.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import sys
import time
from typing import NoReturn

from aiokafka import TopicPartition

from agents.app import run_worker
from agents.lane import Lane, LaneSettings, Round
from agents.table import Changelog, one_by_one
from agents.writer import Out, Record, Writer
from tests.broker.count_job import MARKER, Partition, encode


class CountJob:
    """Guard, fold, outputs acknowledged, still the owner, changelog acknowledged."""

    def __init__(self, outputs: str, changelog: str, *, figures: bool = False) -> None:
        self._outputs, self._topic, self._figures = outputs, changelog, figures
        self._state: dict[int, Partition] = {}

    async def setup(self, lane: Lane) -> None:
        settings = lane.settings
        self._writer = Writer(settings.bootstrap, idempotent=bool(settings.idempotent), guard=lane.lease.permit)
        await self._writer.start()
        wait_ms = settings.fetch_max_wait_ms or 0
        self._changelog = Changelog(self._topic, self._writer, settings.bootstrap, fetch_max_wait_ms=wait_ms)
        if self._figures:
            lane.every(1.0, self._print)

    async def on_assigned(self, tps: frozenset[TopicPartition]) -> None:
        partitions = {tp.partition for tp in tps}
        await self._changelog.recover_all(
            partitions, lambda p: one_by_one(self._state.setdefault(p, Partition()).apply)
        )

    async def on_abandoned(self, tps: frozenset[TopicPartition]) -> None:
        for tp in tps:
            self._state.pop(tp.partition, None)
            self._changelog.forget(tp.partition)

    async def on_revoked(self, tps: frozenset[TopicPartition]) -> None:
        pass  # what is known stays: only the tail is read when they come back

    async def teardown(self) -> None:
        await self._writer.stop()

    async def process(self, round_: Round, lane: Lane) -> None:
        outputs: list[Record] = []
        states: dict[int, list[Record]] = {}
        marks: dict[int, list[Record]] = {}
        for tp, batch in round_.batches.items():
            number = tp.partition
            partition = self._state[number]
            out, touched = partition.fold(batch)
            outputs += [(self._outputs, number, key, value, None, None) for key, value in out]
            states[number] = [(self._topic, number, key, encode(count), None, None) for key, count in touched.items()]
            marks[number] = [Out(self._topic, number, MARKER, b"%d" % partition.applied)]
        await self._writer.produce(outputs)
        if lane.still_owner(round_):
            await self._changelog.write(states, marks)

    async def _print(self, _: Round, lane: Lane) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        figures = {
            **{name: value for name, value in vars(lane.stats).items() if isinstance(value, int | float)},
            **vars(self._changelog.stats),
            "at": time.time(),
            "cpu": used.ru_utime + used.ru_stime,
            "behind": sum(lane.stats.lag.values()),
        }
        sys.stdout.write(json.dumps(figures) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Run until stopped."""
    run(CountJob)


def run(job: type[CountJob]) -> NoReturn:
    """Run a job, or a troubled variant of it, with the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bootstrap", "group", "inbox", "outputs", "changelog"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--figures", action="store_true")
    parser.add_argument("--max-records", type=int, default=4000)
    parser.add_argument("--spacing-ms", type=float, default=2.0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = LaneSettings(
        bootstrap=args.bootstrap, group=args.group, max_records=args.max_records, min_round_spacing_ms=args.spacing_ms
    )
    run_worker(settings, [args.inbox], job(args.outputs, args.changelog, figures=args.figures), "count")


if __name__ == "__main__":
    main()
