"""Exactly once: whoever reads what was committed meets each id once, whatever happened to the workers."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.brokers import Broker
from tests.faults.nemesis import kill, pause
from tests.faults.run import SEED, Run, play

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.mark.timeout(600)
def test_every_id_is_committed_once(broker: Broker, tmp_path: Path) -> None:
    """Kills, a crash between outputs and state, a pause, lost fetches: nothing comes again, nothing is missing."""
    if not broker.idempotence:
        pytest.skip("this broker has no transactions")
    outcome = asyncio.run(
        play(
            broker,
            tmp_path,
            Run(
                events=6_000,
                seconds=20.0,
                faults=(kill,) * 3 + (pause,),
                troubles={"lead-": (f"drop-fetches:{SEED}",)},
                lives={"lead-": ("fail-at:after_output:5",)},
                settings={"LEADKEEPER_EXACTLY_ONCE": "true"},
            ),
        )
    )
    sys.stdout.write(f"{outcome}\n")
    assert outcome.settled
    assert outcome.dropped, "no fetch was lost"
    assert any("failpoint" in done for done in outcome.done), "no worker crashed between outputs and state"
    assert outcome.verdict.clean
    assert outcome.calls.clean
    assert not outcome.verdict.repeats
