"""The short fault test: the whole product under faults, against the sequential oracle; and that Faust's own consumer fails it."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.brokers import Broker
from tests.faults.nemesis import kill, pause, stop_redis
from tests.faults.run import SEED, Outcome, Run, play

pytestmark = [pytest.mark.broker, pytest.mark.slow]

STOCK = "stock-consumer"
DROPS = f"drop-fetches:{SEED}"
"""Fetched records get lost on their way, as around rebalances."""


def _play(broker: Broker, folder: Path, run: Run) -> Outcome:
    outcome = asyncio.run(play(broker, folder, run))
    sys.stdout.write(f"{outcome}\n")
    return outcome


@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_doubled(broker: Broker, tmp_path: Path) -> None:
    """Six kills, two pauses, a lost Redis and lost fetches leave what the oracle leaves; each mail went out once."""
    faults = (kill,) * 6 + (pause,) * 2 + (stop_redis(4.0),)
    outcome = _play(broker, tmp_path, Run(faults=faults, troubles={"lead-": (DROPS,)}))
    assert outcome.settled, "not everything was applied, or some command never ended"
    assert outcome.verdict.clean
    assert outcome.calls.clean
    assert outcome.dropped, "no fetch was lost: the lane had nothing to bring back"
    assert outcome.calls.seen, "no message was sent at all: the traffic does not test the couriers"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_fausts_own_consumer_does_the_job_as_long_as_nothing_goes_wrong(broker: Broker, tmp_path: Path) -> None:
    """The control: it is the faults that tell lane and stock consumer apart, not the way the stock one is used."""
    run = Run(events=6_000, seconds=10.0, couriers=(), troubles={"lead-": (STOCK,)}, patience_s=60.0)
    outcome = _play(broker, tmp_path, run)
    assert outcome.clean


@pytest.mark.timeout(300)
def test_fausts_own_consumer_loses_what_the_lane_fetches_again(broker: Broker, tmp_path: Path) -> None:
    """The short fault test is red without the lane: the same lost fetches, and records are gone for good.

    Nobody is killed here: a restart in time would read them again from the last commit, and hide the loss.
    """
    trouble = {"lead-": (STOCK, DROPS)}
    run = Run(events=6_000, seconds=10.0, couriers=(), troubles=trouble, patience_s=60.0)
    outcome = _play(broker, tmp_path, run)
    assert outcome.settled, "judged before everything was applied, a record that is only late would look lost"
    assert outcome.verdict.missing
    assert outcome.verdict.wrong_states
