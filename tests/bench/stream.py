"""A sender and a reader beside running workers: what was due when, and what arrived when."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.child import ChildProcess
from schemas import topics
from tests.bench.lead_log import LeadLog
from tests.bench.progress import EngineFailedError, settled
from tests.bench.sender import Sent
from tests.brokers import Broker
from tests.polling import eventually
from tests.worlds import ROOT


class Streamed(NamedTuple):
    """What one run saw; `assessed` and `commanded` as `reader.py` writes them.

    `drained`: whether everything that was sent was folded in the end.
    """

    sent: Sent
    assessed: NDArray[np.float64]
    commanded: NDArray[np.float64]
    drained: bool


def stream(
    broker: Broker,
    log: LeadLog,
    prefix: str,
    folder: Path,
    *,
    rate: int,
    seconds: float,
    meanwhile: Callable[[], None] = lambda: None,
) -> Streamed:
    """Send for some seconds at a rate, read what follows, stop a while after the last event.

    Args:
        broker: Where.
        log: The world that the workers hold.
        prefix: Of the topics.
        folder: For logs and results.
        rate: Events per second.
        seconds: How long.
        meanwhile: Called once the sender has started; returns before it ends.

    Raises:
        EngineFailedError: The sender ended with an error.
    """
    where = ["--bootstrap", broker.bootstrap, "--prefix", prefix, "--partitions", str(log.partitions)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    sent_file, read_file = folder / f"{prefix}sent.json", folder / f"{prefix}read.npz"
    reading = ["-m", "tests.bench.reader", *where, "--wait-ms", str(broker.fetch_max_wait_ms), "--out", str(read_file)]
    sending = ["-m", "tests.bench.sender", *where, "--leads", str(log.leads), "--rate", str(rate)]
    sending += ["--seconds", str(seconds), "--out", str(sent_file)]
    sending += [] if broker.idempotence else ["--no-idempotence"]
    reader = ChildProcess("reader", [sys.executable, *reading], log=folder / f"{prefix}reader.log", cwd=ROOT, env=env)
    try:
        with ChildProcess(
            "sender", [sys.executable, *sending], log=folder / f"{prefix}sender.log", cwd=ROOT, env=env
        ) as sender:
            meanwhile()
            status = sender.wait()
            if status:
                raise EngineFailedError(f"the sender ended with {status}: {sender.log_tail()}")
        # What is still on its way belongs to the picture.
        drained = asyncio.run(settled(broker, f"{prefix}lead-agent", prefix + topics.EVENTS.name, log.partitions))
    finally:
        reader.stop(grace=30.0)
    eventually(read_file.exists, 30, f"{read_file.name}, written by the reader")
    arrays = np.load(read_file)
    return Streamed(Sent(**json.loads(sent_file.read_text())), arrays["assessed"], arrays["commanded"], drained)
