"""A recorded log through two policies, in memory: nothing is sent, nothing is written.

The part of the log before the simulated days is folded as history, without acting on it, as a deployment that is switched
on at that moment would. Leads of a recorded log cannot react to what is sent here, and no receipts come: a step that waits
for a message to be opened waits in vain, unless the recording has the receipt of that very command. A log from files is one
partition, which has a tenant's whole budget; the inbox is replayed partition by partition, as it is divided live.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from agents.eventlog import ReadReport, RejectedRow, read_events
from agents.inbox_log import Received, received
from agents.mapping import Layout
from agents.sentiment import reader_of
from agents.settings import Settings
from agents.topics import partitions_of
from agents.tryout.feed import Line
from agents.tryout.plan import with_contacts
from agents.writer import partition_for
from schemas import topics
from schemas.errors import MappingInvalid
from schemas.weights import Weights
from streams.env import EVERYONE, Env
from streams.features import DAY
from streams.lead import Message, Partition, fold
from streams.policy import Policy
from streams.risk import Scorer
from streams.vocabulary import ReadMood
from streams.volumes import Volumes

ROUND = 4000
CONTROL = ("tick", "activate", "suppress_address", "release_address")


class Span(NamedTuple):
    """What is simulated: from when to when (epoch seconds), and the event time between two ticks (seconds)."""

    start: float
    end: float
    tick_s: float


Moment = tuple[float, int, Line | dict[str, bool] | None]
"""When (epoch seconds), which comes first of what is at the same time, and what: an event, an activation, or (None) a tick."""


class Log(NamedTuple):
    """The events of a log in order of time, how many rows were none, and over how many partitions they are spread."""

    lines: list[Line]
    left_out: int
    partitions: int = 1

    def of_tenant(self, tenant: str) -> "Log":
        """Only the leads of one."""
        return self._replace(lines=[line for line in self.lines if line.key.startswith(f"{tenant}:".encode())])


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


async def read_inbox(settings: Settings) -> Log:
    """What `lead.events` holds, in the order in which the broker had it (by its own time where LEADKEEPER_CLOCK=event).

    Raises:
        Unavailable: There is no such topic.
        MappingInvalid: There is no event in it.
    """
    name = settings.topic_prefix + topics.EVENTS.name
    log = from_records(await received(settings, topics.EVENTS), (await partitions_of(settings.bootstrap, [name]))[name])
    if not log.lines:
        raise MappingInvalid(f"{name} has no event about a lead: send some, or give --from-log")
    return log


def from_records(records: Iterable[Received], partitions: int) -> Log:
    """Records of the inbox. Ticks and activations are left out, since the simulation has its own; so is what is no JSON."""
    lines, left_out = list[Line](), 0
    for record in records:
        try:
            line = _line(record.value, record.timestamp_ms)
        except (ValueError, KeyError, TypeError):
            left_out += 1
            continue
        if line is not None:
            lines.append(line)
    return Log(sorted(lines, key=lambda line: line.at_ms), left_out, partitions)


def _own(path: Path) -> Iterator[Line]:
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not text.strip():
            continue
        try:
            line = _line(text.encode(), 0)
        except (ValueError, KeyError, TypeError) as error:
            raise MappingInvalid(
                f"{path}:{number}: not a message of lead.events ({error}); for another log give --mapping"
            ) from None
        if line is not None:
            yield line


def _line(value: bytes, received_ms: int) -> Line | None:
    """A message about a lead; None: about a partition. Without a time at which it was received, its own counts."""
    body = json.loads(value)
    if body["type"] in CONTROL:
        return None
    at_ms = received_ms or int(datetime.fromisoformat(body["at"]).timestamp() * 1000)
    return Line(at_ms, f"{body['tenant']}:{body['lead']}".encode(), value)


def span_of(lines: Sequence[Line], days: float, tick_hours: float) -> Span:
    """The last so many days of the log."""
    end = lines[-1].at_ms / 1000
    return Span(max(end - days * DAY, lines[0].at_ms / 1000), end, tick_hours * 3600)


def simulate(
    lines: Sequence[Line],
    span: Span,
    policy: Policy,
    scorer: Scorer,
    partitions: int = 1,
    weights: Mapping[str, Weights] | None = None,
) -> Volumes:
    """Fold the log under one policy and count what follows from it; `weights`: what was learned, by tenant."""
    moods: dict[str, ReadMood] = {}
    if policy.language and (reader := reader_of(policy.language)):
        moods[policy.language] = reader
    world = Env({"": {EVERYONE: policy}}, {"": scorer}, moods=moods, partitions=partitions, weights={"": weights or {}})
    volumes = Volumes(policy)
    for number in range(partitions):
        mine = [line for line in lines if partition_for(line.key, partitions) == number]
        partition = Partition(number)
        messages = _messages(mine, span, number)
        while chunk := list(islice(messages, ROUND)):
            done = fold(partition, chunk, world)
            volumes.take(done.outputs)
            volumes.gone += done.tally["episode", "gone_before"]
            partition.changes()
    return volumes


def _messages(lines: Sequence[Line], span: Span, partition: int) -> Iterator[Message]:
    """The log with what an operator and a clock would have put in: watch, act from the start on, and ticks."""
    events: Iterator[Moment] = ((line.at_ms / 1000, 1, line) for line in lines)
    first = min(lines[0].at_ms / 1000, span.start) if lines else span.start
    orders: list[Moment] = [(first, 0, {"acting": False}), (span.start, 0, {"acting": True})]
    ticks: Iterator[Moment] = (
        (span.start + i * span.tick_s, 2, None) for i in range(1, int((span.end - span.start) // span.tick_s) + 1)
    )
    for offset, (at, _, what) in enumerate(merge(events, orders, ticks, key=lambda m: m[:2])):
        if isinstance(what, Line):
            yield Message(offset, what.at_ms, what.key, what.value)
            continue
        own: dict[str, Any] = {"type": "tick"} if what is None else {"type": "activate", **what}
        when = datetime.fromtimestamp(at, UTC).isoformat()
        body = {"v": 1, "id": f"sim-{offset}", "partition": partition, "at": when, **own}
        yield Message(offset, int(at * 1000), b"@sim", json.dumps(body).encode())
