"""Records that end the process which folds them: dead-lettered after three crashes each, and nothing else is touched."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.brokers import Broker
from tests.faults.nemesis import poison
from tests.faults.run import Run, play
from tests.faults.verdict import DEADLY

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.mark.timeout(600)
def test_a_record_that_ends_the_process_is_dead_lettered(broker: Broker, tmp_path: Path) -> None:
    """Two in one round, by a fault in native code: their neighbours are folded, and everything is as the oracle has it."""
    run = Run(
        events=4_000,
        leads=100,
        seconds=8.0,
        lead_agents=1,
        couriers=(),
        faults=(poison,),
        troubles={"lead-": (DEADLY,)},
    )
    outcome = asyncio.run(play(broker, tmp_path, run))
    sys.stdout.write(f"{outcome}\n")
    assert outcome.settled, "a record that was not found stops its partition for good"
    assert outcome.verdict.clean
    assert outcome.exits["lead-1", -signal.SIGSEGV] == 2 * 3
    assert {status for _, status in outcome.exits} <= {-signal.SIGSEGV, -signal.SIGTERM, 0}
