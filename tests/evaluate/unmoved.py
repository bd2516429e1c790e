"""What must not matter: on a real log, labels dealt out anew teach nothing, and neither the year nor names nor the order
of arrival move a score.

- The year: all is moved by 364 days, 52 weeks, so that weekdays stay. Features look at differences of times only, and what
  is taken from last year's same weeks (`streams.season`, `streams.volume`) moves along, since all of the log does. The
  one use of the calendar is that a visit is a lead's day in UTC: any number of whole days would do, hours would not. The
  bodies carry one time each, `at`; a log whose bodies carry others (an appointment, a renewal) would have to move those too.
- Names: of leads, of the tenant, and of events.
- Order: each event is received within ten days, in another order than it happened in, by the fold that judges live.

A score is that of the model trained on the log as it is and, for the year and names, also that of one trained anew on the
log that was changed. Its counters are float32, so what is added in another order differs in the last digits; a tree that
splits just there would show it.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from agents.agreement import ROUND, TOLERANCE
from agents.logged import LoggedEvent
from agents.mapping import Layout
from agents.model import TrainedModel
from agents.snapshots import ActivityLog
from agents.train import evaluate, read_log, train
from agents.windows import utc, windows
from streams.env import EVERYONE, Env
from streams.features import DAY
from streams.lead import Message, fold
from streams.partition import Partition
from streams.policy import Policy
from streams.risk import RuleScorer
from streams.vector import vectors
from tests.evaluate.rows import MISSED
from tests.planted import ShuffledLog

YEAR_S = 364 * DAY
LATE_S = 10 * DAY
SURE = 3.0
"""Standard errors of an AUC by chance: of a thousand, three would lie beyond."""
SHARP = 0.01
"""The standard error to which the labels are dealt out again and again: once where rows are many."""

Events = Sequence[LoggedEvent]
Body = dict[str, Any]
Scores = dict[bytes, float]


class Law(NamedTuple):
    """One law on one log: how many leads (or rows) it was held on, the largest difference, and how much is let pass."""

    name: str
    held_on: int
    apart: float
    most: float

    @property
    def kept(self) -> bool:
        """Whether it holds; of nobody it does not."""
        return self.held_on > 0 and self.apart <= self.most


class World(NamedTuple):
    """A log, how it is read, and a model trained on it up to a cut (epoch seconds)."""

    events: Events
    layout: Layout
    policy: Policy
    log: ActivityLog
    cut: float
    model: TrainedModel

    @classmethod
    def of(cls, events: Events, layout: Layout, policy: Policy, log: ActivityLog) -> "World":
        """Cut where the last third begins, as when it is evaluated; `log`: the events, as they were read."""
        cut = windows(log, layout.label).test[0]
        return cls(events, layout, policy, log, cut, train(log, layout.label, cut, layout.name))


def laws(world: World) -> Iterator[Law]:
    """All of them."""
    yield shuffled_labels(world)
    yield from moved("364 days later", world, later, shift_s=YEAR_S)
    yield from moved("other names", world, renamed)
    yield other_order(world)


def told(world: World) -> str:
    """One line for each law."""
    at = f"{utc([world.cut])[0]:%Y-%m-%d}"
    lines = [
        f"    {law.name}: {law.apart:.1e} at most over {law.held_on:,} (let pass {law.most:.1e}){': yes' if law.kept else MISSED}"
        for law in laws(world)
    ]
    return "\n".join([f"  what must not matter, as of {at}:", *lines]) + "\n"


def shuffled_labels(world: World) -> Law:
    """How far from 0.5 the AUC within snapshots is, on average, where the truth of each was dealt out among its leads.

    Within snapshots: from one to the next, another share goes quiet, and a model that knows of seasons may well know that. A
    snapshot of n rows, q of them quiet, has an AUC of variance (n + 1) / (12 q (n - q)) where nothing is to be told (Mann and
    Whitney 1947), and weighs as much as its inverse.
    """
    log = ShuffledLog.read(world.events, world.policy, world.layout.meanings)
    label, deals, rows, weight, total = world.layout.label, 0, 0, 0.0, 0.0
    while weight * SHARP**2 < 1:
        model = train(log.shuffled(deals), label, world.cut, world.layout.name)
        for card in evaluate(model.scorer(), log, windows(log, label, world.cut).test).at.values():
            n, quiet = card.window.rows, card.window.churned
            sure = 12 * quiet * (n - quiet) / (n + 1)
            rows, weight, total = rows + n, weight + sure, total + sure * (card.model["auc"] - 0.5)
        deals += 1
    times = f"{deals} deals" if deals > 1 else "one deal"
    return Law(f"labels shuffled, {times}, AUC - 0.5", rows, abs(total / weight), SURE / float(np.sqrt(weight)))


def moved(name: str, world: World, change: Callable[[Body], Body], shift_s: float = 0.0) -> Iterator[Law]:
    """The scores of the log with every body changed, by the same model and by one that was trained on that."""
    after = changed(world.events, change, shift_s)
    log, cut, label = read_log(after, world.layout, world.policy), world.cut + shift_s, world.layout.label
    names = {was.key: now.key for was, now in zip(world.events, after, strict=True)}
    before = {names[key]: p for key, p in scores(world.log, world.model, world.cut).items()}
    found = scores(log, world.model, cut)
    yield Law(f"{name}, same model", len(found), apart(before, found), TOLERANCE)
    found = scores(log, train(log, label, cut, world.layout.name), cut)
    yield Law(f"{name}, trained anew", len(found), apart(before, found), TOLERANCE)


def changed(events: Events, change: Callable[[Body], Body], shift_s: float) -> list[LoggedEvent]:
    """The log with every body changed, and so much later."""
    by, out = round(shift_s * 1000), []
    for event in events:
        body = change(json.loads(event.value))
        key = f"{body['tenant']}:{body['lead']}".encode()
        known = event.timestamp_ms and event.timestamp_ms + by
        out.append(LoggedEvent(event.at_ms + by, key, json.dumps(body).encode(), known))
    return out


def later(body: Body) -> Body:
    """52 weeks later."""
    return body | {"at": (datetime.fromisoformat(body["at"]) + timedelta(seconds=YEAR_S)).isoformat()}


def renamed(body: Body) -> Body:
    """Other names for the tenant, the lead and the event."""
    return body | {"tenant": "other", "lead": f"somebody-{body['lead'][::-1]}", "id": f"x-{body['id']}"}


def scores(log: ActivityLog, model: TrainedModel, at: float) -> Scores:
    """Key -> probability of everybody who is judged at a time."""
    shot = next(log.snapshots([at], model.manifest.label.at_any_age))
    found = model.scorer().score(shot.x).tolist()
    return {log.keys[lead]: p for lead, p in zip(shot.leads.tolist(), found, strict=True)}


def apart(one: Scores, other: Scores) -> float:
    """The largest difference; infinite where they are not of the same leads."""
    if one.keys() != other.keys():
        return float("inf")
    return max((abs(other[key] - p) for key, p in one.items()), default=0.0)


def other_order(world: World) -> Law:
    """The same events, received in the same ten days: as they happened, and in any order."""
    known = [event for event in world.events if event.at_ms / 1000 < world.cut]
    chance = np.random.default_rng(9)
    in_time: list[tuple[int, LoggedEvent]] = []
    mixed: list[tuple[int, LoggedEvent]] = []
    for block, some in groupby(known, key=lambda event: int(event.at_ms // (LATE_S * 1000))):
        group, received = list(some), min(round((block + 1) * LATE_S), round(world.cut)) * 1000
        in_time += [(received, event) for event in group]
        mixed += [(received, group[i]) for i in chance.permutation(len(group)).tolist()]
    one, other = (streamed(world, order) for order in (in_time, mixed))
    return Law(f"received in any order within {LATE_S / DAY:g} days", len(one), apart(one, other), TOLERANCE)


def streamed(world: World, received: Sequence[tuple[int, LoggedEvent]]) -> Scores:
    """Key -> probability at the cut of all leads, after the live fold of what was received when (epoch ms)."""
    partition = Partition(0)
    env = Env({"": {EVERYONE: world.layout.policy_with(world.policy)}}, {"": RuleScorer()})
    messages = [Message(i, at, event.key, event.value) for i, (at, event) in enumerate(received)]
    for start in range(0, len(messages), ROUND):
        fold(partition, messages[start : start + ROUND], env)
    keys = sorted(partition.table.index)
    rows = partition.table.rows[[partition.table.index[key] for key in keys]]
    heard = rows["events"] > 0
    found = world.model.scorer().score(vectors(rows[heard], np.full(int(heard.sum()), world.cut)))
    return dict(zip([key for key, there in zip(keys, heard, strict=True) if there], found.tolist(), strict=True))
