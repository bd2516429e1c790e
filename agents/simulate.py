"""A recorded log through two policies, in memory: nothing is sent, nothing is written.

The part of the log before the simulated days is folded as history, without acting on it, as a deployment that is switched
on at that moment would. Leads of a recorded log cannot react to what is sent here, and no receipts come: a step that waits
for a message to be opened waits in vain. The log is one partition, which has a tenant's whole budget.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from heapq import merge
from pathlib import Path
from typing import Any, NamedTuple

from agents.eventlog import ReadReport, RejectedRow, read_events
from agents.mapping import Layout
from agents.tryout.feed import Line
from agents.tryout.plan import with_contacts
from schemas.errors import MappingInvalid
from streams.env import EVERYONE, Env
from streams.features import DAY
from streams.lead import Message, Partition, fold
from streams.policy import Policy
from streams.risk import Scorer
from streams.volumes import Volumes

ROUND = 4000
CONTROL = ("tick", "activate")


class Span(NamedTuple):
    """What is simulated: from when to when (epoch seconds), and the event time between two ticks (seconds)."""

    start: float
    end: float
    tick_s: float


Moment = tuple[float, int, Line | dict[str, bool] | None]
"""When (epoch seconds), which comes first of what is at the same time, and what: an event, an activation, or (None) a tick."""


class Log(NamedTuple):
    """The events of a log in order of time, and how many rows were none."""

    lines: list[Line]
    left_out: int


def read_log(files: Sequence[Path], layout: Layout | None, *, contacts: bool) -> Log:
    """Any log by its mapping; without one, JSON lines as they stood on `lead.events`.

    Args:
        files: the log.
        layout: how to read it.
        contacts: give leads without an e-mail address one at example.com, so that there is something to decide.

    Raises:
        MappingInvalid: There is no event in it, or a line is no message about a lead; names it.
    """
    report = ReadReport()
    if layout is not None:
        made = [item for item in read_events(list(files), layout, report) if not isinstance(item, RejectedRow)]
        lines = [Line(item.at_ms, item.key, item.value) for item in made]
        if contacts and "email" not in layout.profile:
            lines = with_contacts(lines, layout.of_tenant)
    else:
        lines = sorted((line for path in files for line in _own(path)), key=lambda line: line.at_ms)
    if not lines:
        raise MappingInvalid(f"{files[0]} has no event: give JSON lines of lead.events, or --mapping for another log")
    return Log(lines, sum(report.rejected.values()))


def _own(path: Path) -> Iterator[Line]:
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not text.strip():
            continue
        try:
            body = json.loads(text)
            if body["type"] not in CONTROL:
                at = datetime.fromisoformat(body["at"])
                yield Line(int(at.timestamp() * 1000), f"{body['tenant']}:{body['lead']}".encode(), text.encode())
        except (ValueError, KeyError, TypeError) as error:
            raise MappingInvalid(
                f"{path}:{number}: not a message of lead.events ({error}); for another log give --mapping"
            ) from None


def span_of(lines: Sequence[Line], days: float, tick_hours: float) -> Span:
    """The last so many days of the log."""
    end = lines[-1].at_ms / 1000
    return Span(max(end - days * DAY, lines[0].at_ms / 1000), end, tick_hours * 3600)


def simulate(lines: Sequence[Line], span: Span, policy: Policy, scorer: Scorer) -> Volumes:
    """Fold the log under one policy and count what follows from it."""
    world = Env({"": {EVERYONE: policy}}, {"": scorer})
    partition, volumes = Partition(0), Volumes(policy)
    chunk: list[Message] = []
    for message in _messages(lines, span):
        chunk.append(message)
        if len(chunk) == ROUND:
            _fold(partition, chunk, world, volumes)
            chunk = []
    _fold(partition, chunk, world, volumes)
    return volumes


def _fold(partition: Partition, chunk: Sequence[Message], world: Env, volumes: Volumes) -> None:
    volumes.take(fold(partition, chunk, world).outputs)
    partition.changes()


def _messages(lines: Sequence[Line], span: Span) -> Iterator[Message]:
    """The log with what an operator and a clock would have put in: watch, act from the start on, and ticks."""
    events: Iterator[Moment] = ((line.at_ms / 1000, 1, line) for line in lines)
    orders: list[Moment] = [(lines[0].at_ms / 1000, 0, {"acting": False}), (span.start, 0, {"acting": True})]
    ticks: Iterator[Moment] = (
        (span.start + i * span.tick_s, 2, None) for i in range(1, int((span.end - span.start) // span.tick_s) + 1)
    )
    for offset, (at, _, what) in enumerate(merge(events, orders, ticks, key=lambda m: m[:2])):
        if isinstance(what, Line):
            yield Message(offset, what.at_ms, what.key, what.value)
            continue
        own: dict[str, Any] = {"type": "tick"} if what is None else {"type": "activate", **what}
        body = {"v": 1, "id": f"sim-{offset}", "partition": 0, "at": datetime.fromtimestamp(at, UTC).isoformat(), **own}
        yield Message(offset, int(at * 1000), b"@sim", json.dumps(body).encode())
